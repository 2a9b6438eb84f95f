"""AppRole in memory: roles, secret-ids with a TTL and a limited number of uses, and login."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

from app_integration.testing.approle_role import SUPPORTED, Role, SecretId
from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    internal_error,
    list_response,
    unsupported_operation,
    unsupported_path,
)
from app_integration.testing.parameters import Parameters, read
from app_integration.testing.policies import DEFAULT
from app_integration.testing.tokens import MAX_TTL, TokenStore

#: Parameters that are accepted only if they change nothing.
_ROLE_DEFAULTS: Final[dict[str, Any]] = {
    "token_bound_cidrs": [],
    "secret_id_bound_cidrs": [],
    "bound_cidr_list": [],
    "local_secret_ids": False,
    "enable_local_secret_ids": False,
    "token_strictly_bind_ip": False,
}
_SECRET_ID_DEFAULTS: Final[dict[str, Any]] = {"cidr_list": [], "token_bound_cidrs": []}
_PAIRS: Final = "failed to parse metadata: failed to parse the input: invalid <key,value> format"

Handler = Callable[[str, Request], ServerResponse]


class AppRoles:
    """An AppRole auth method."""

    def __init__(self, clock: Clock, tokens: TokenStore, path: str = "approle") -> None:
        """Start without roles."""
        self._clock = clock
        self._tokens = tokens
        self._path = path
        self._roles: dict[str, Role] = {}

    def get_or_create_role(self, name: str, *policies: str) -> Role:
        """Return the role *name*; create it with *policies* if it does not exist."""
        new = Role(name, policies or (name,), secrets.token_urlsafe(24), self._clock)
        return self._roles.setdefault(name, new)

    def login(self, request: Request) -> ServerResponse:
        """Log in and return the response with a new token."""
        try:
            given = read(request, "role_id", "secret_id")
            role_id, secret_id = given.text("role_id"), given.text("secret_id")
        except ErrorResponse as error:
            # The real server answers like this to what it cannot convert.
            if error.response.unsupported:
                raise
            raise ErrorResponse(500, *error.response.body["errors"]) from None
        if not role_id:
            raise ErrorResponse(500, "missing role_id")
        role = next((each for each in self._roles.values() if each.role_id == role_id), None)
        if role is not None and not secret_id:
            raise ErrorResponse(400, "missing secret_id")
        found = role.use(secret_id) if role is not None else None
        if role is None or found is None:
            raise ErrorResponse(400, "invalid role or secret ID")
        return ServerResponse(200, {"auth": self._issue(role, found)})

    def _issue(self, role: Role, secret_id: SecretId) -> dict[str, Any]:
        policies = {*role.policies} | (set() if role.no_default_policy else {DEFAULT})
        ttl, max_ttl = role.lifetime(MAX_TTL)
        token = self._tokens.issue(self._path, tuple(sorted(policies)), ttl=ttl, max_ttl=max_ttl)
        token.metadata = {**secret_id.metadata, "role_name": role.name}
        token.uses, token.period = role.token_uses, role.period
        token.explicit_max_ttl = role.explicit_max_ttl
        token.path, token.entity = f"auth/{self._path}/login", role.entity
        return token.auth(self._clock())

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request below ``auth/approle`` and return the response."""
        handlers: dict[tuple[str, ...], dict[str, Handler]] = {
            (): {
                "GET": self._read_role,
                "POST": self._write_role,
                "DELETE": self._delete_role,
            },
            ("role-id",): {"GET": self._read_role_id, "POST": self._write_role_id},
            ("secret-id",): {"POST": self._generate, "LIST": self._list_secret_ids},
            ("custom-secret-id",): {"POST": self._generate_custom},
            ("secret-id", "lookup"): {"POST": self._look_up},
            ("secret-id", "destroy"): {"POST": self._destroy},
            ("secret-id-accessor", "lookup"): {"POST": self._look_up_accessor},
            ("secret-id-accessor", "destroy"): {"POST": self._destroy_accessor},
        }
        match request.path.rstrip("/").split("/"):
            case ["role"]:
                return self._list_roles(request)
            case ["role", name, *rest] if name and tuple(rest) in handlers:
                handler = handlers[tuple(rest)].get(request.method)
                if handler is None:
                    raise unsupported_operation()
                return handler(name, request)
            case _:
                raise unsupported_path()

    def _list_roles(self, request: Request) -> ServerResponse:
        if request.method != "LIST":
            raise unsupported_operation()
        read(request)
        return list_response(sorted(self._roles))

    def _read_role(self, name: str, request: Request) -> ServerResponse:
        read(request)
        return data_response(self._find(name, 404).describe())

    def _write_role(self, name: str, request: Request) -> ServerResponse:
        given = read(request, *SUPPORTED, defaults=_ROLE_DEFAULTS)
        old = self._roles.get(name) or Role.from_api(name, secrets.token_hex(16), self._clock)
        self._roles[name] = old.updated(given)
        return NO_CONTENT

    def _delete_role(self, name: str, request: Request) -> ServerResponse:
        read(request)
        self._roles.pop(name, None)
        return NO_CONTENT

    def _read_role_id(self, name: str, request: Request) -> ServerResponse:
        read(request)
        return data_response({"role_id": self._find(name, 404).role_id})

    def _write_role_id(self, name: str, request: Request) -> ServerResponse:
        role_id = read(request, "role_id").text("role_id")
        if not role_id:
            raise ErrorResponse(400, "missing role_id")
        self._find(name, 404).role_id = role_id
        return NO_CONTENT

    def _generate(self, name: str, request: Request) -> ServerResponse:
        given = read(request, "metadata", "ttl", "num_uses", defaults=_SECRET_ID_DEFAULTS)
        return self._add(name, given, secrets.token_urlsafe(24))

    def _generate_custom(self, name: str, request: Request) -> ServerResponse:
        known = ("secret_id", "metadata", "ttl", "num_uses")
        given = read(request, *known, defaults=_SECRET_ID_DEFAULTS)
        if not given.text("secret_id"):
            raise ErrorResponse(400, "missing secret_id")
        return self._add(name, given, given.text("secret_id"))

    def _add(self, name: str, given: Parameters, secret_id: str) -> ServerResponse:
        if name not in self._roles:
            raise ErrorResponse(404, f'role "{name}" does not exist')
        role = self._roles[name]
        uses = given.integer("num_uses", role.uses)
        ttl = given.seconds("ttl", role.secret_id_ttl)
        if uses < 0:
            raise ErrorResponse(400, "num_uses cannot be negative")
        if role.uses and (uses == 0 or uses > role.uses):
            raise ErrorResponse(400, "num_uses cannot be higher than the role's secret_id_num_uses")
        if role.secret_id_ttl and (ttl == 0 or ttl > role.secret_id_ttl):
            raise ErrorResponse(400, "ttl cannot be longer than the role's secret_id_ttl")
        metadata = _parse_metadata(given.text("metadata"))
        if role.find(secret_id) is not None:
            raise internal_error("failed to store secret_id: SecretID is already registered")
        added = role.add(secret_id, uses=uses, ttl=ttl, metadata=metadata)
        return data_response(
            {
                "secret_id": secret_id,
                "secret_id_accessor": added.accessor,
                "secret_id_num_uses": added.uses,
                "secret_id_ttl": round(ttl),
            }
        )

    def _list_secret_ids(self, name: str, request: Request) -> ServerResponse:
        read(request)
        if name not in self._roles:
            raise ErrorResponse(400, f'role "{name}" does not exist')
        return list_response([each.accessor for each in self._roles[name].living().values()])

    def _look_up(self, name: str, request: Request) -> ServerResponse:
        secret_id = _require(read(request, "secret_id"), "secret_id")
        found = self._find(name, 500).find(secret_id)
        return data_response(found.describe(self._clock)) if found else NO_CONTENT

    def _destroy(self, name: str, request: Request) -> ServerResponse:
        secret_id = _require(read(request, "secret_id"), "secret_id")
        self._find(name, 500).secret_ids.pop(secret_id, None)
        return NO_CONTENT

    def _look_up_accessor(self, name: str, request: Request) -> ServerResponse:
        accessor = _require(read(request, "secret_id_accessor"), "secret_id_accessor")
        found = self._find(name, 500).find_accessor(accessor)
        if found is None:
            reason = f'failed to find accessor entry for secret_id_accessor: "{accessor}"'
            raise ErrorResponse(404, data={"error": reason})
        return data_response(found[1].describe(self._clock))

    def _destroy_accessor(self, name: str, request: Request) -> ServerResponse:
        accessor = _require(read(request, "secret_id_accessor"), "secret_id_accessor")
        role = self._find(name, 500)
        found = role.find_accessor(accessor)
        if found is None:
            raise internal_error(
                f'failed to find accessor entry for secret_id_accessor: "{accessor}"'
            )
        del role.secret_ids[found[0]]
        return NO_CONTENT

    def _find(self, name: str, status: int) -> Role:
        """Return the role *name*; raise an error of *status* if there is none."""
        if name in self._roles:
            return self._roles[name]
        raise (
            ErrorResponse(404) if status == 404 else internal_error(f'role "{name}" does not exist')  # noqa: PLR2004 (the statuses that callers pass)
        )


def _require(given: Parameters, name: str) -> str:
    if not given.text(name):
        raise ErrorResponse(400, f"missing {name}")
    return given.text(name)


def _parse_metadata(text: str) -> dict[str, str]:
    """Return the metadata of a secret-id, which is sent as a JSON object of strings."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ErrorResponse(400, _PAIRS) from None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ErrorResponse(400, _PAIRS)
    return found
