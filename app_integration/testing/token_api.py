"""The API below ``auth/token`` in memory: create, look up, renew and revoke."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    frame_error,
    list_response,
    unsupported_operation,
    unsupported_parameter,
    unsupported_path,
)
from app_integration.testing.parameters import Parameters, read
from app_integration.testing.policies import DEFAULT, ROOT
from app_integration.testing.token_roles import TokenRole, TokenRoles
from app_integration.testing.tokens import MAX_TTL, NEVER, Token, TokenStore

_CREATION: Final = (
    *("id", "policies", "meta", "ttl", "lease", "explicit_max_ttl", "period", "num_uses", "type"),
    *("no_parent", "no_default_policy", "renewable", "display_name", "entity_alias"),
)
_TYPES: Final = ("", "service", "default", "default-service")


class TokenApi:
    """The token auth method."""

    def __init__(self, clock: Clock, tokens: TokenStore) -> None:
        self._clock = clock
        self._tokens = tokens
        self._roles = TokenRoles()

    def handle(self, request: Request, token: Token) -> ServerResponse:
        """Handle a request below ``auth/token``, sent with *token*, and return the response."""
        kind, _, rest = request.path.rstrip("/").partition("/")
        if kind == "roles":
            return self._roles.handle(rest, request)
        if kind == "create" and rest:
            return self._create(request, token, self._roles.find(rest))
        if rest:
            raise unsupported_path()
        handlers: dict[str, dict[str, Callable[[Request, Token], ServerResponse]]] = {
            "create": {"POST": self._create},
            "create-orphan": {"POST": self._create_orphan},
            "lookup": {"GET": self._lookup, "POST": self._lookup},
            "lookup-self": {"GET": self._lookup_self, "POST": self._lookup_self},
            "lookup-accessor": {"POST": self._lookup_accessor},
            "renew": {"POST": self._renew},
            "renew-self": {"POST": self._renew_self},
            "renew-accessor": {"POST": self._renew_accessor},
            "revoke": {"POST": self._revoke},
            "revoke-self": {"POST": self._revoke_self},
            "revoke-orphan": {"POST": self._revoke_orphan},
            "revoke-accessor": {"POST": self._revoke_accessor},
            "accessors": {"LIST": self._accessors},
        }
        if kind not in handlers:
            raise unsupported_path()
        handler = handlers[kind].get(request.method)
        if handler is None:
            raise unsupported_operation()
        return handler(request, token)

    def _create_orphan(self, request: Request, parent: Token) -> ServerResponse:
        return self._create(request, parent, is_orphan=True)

    def _create(
        self,
        request: Request,
        parent: Token,
        role: TokenRole | None = None,
        *,
        is_orphan: bool = False,
    ) -> ServerResponse:
        if request.method != "POST":
            raise unsupported_operation()
        given = read(request, *_CREATION)
        self._check_creation(given, parent, is_orphan=is_orphan)
        policies = _policies(given, parent, role)
        times = _times(given, role, is_root=ROOT in policies)
        name = given.text("display_name")
        token = self._tokens.issue(
            _display_name(name), policies, ttl=times["ttl"], value=given.text("id")
        )
        token.period, token.explicit_max_ttl = times["period"], times["explicit_max_ttl"]
        if not token.period and token.ttl != NEVER:
            token.max_expires = token.created + (token.explicit_max_ttl or MAX_TTL)
        elif token.explicit_max_ttl:
            token.max_expires = token.created + token.explicit_max_ttl
        is_renewable = given.boolean("renewable", default=True) and (role is None or role.renewable)
        token.renewable = is_renewable and token.ttl != NEVER
        token.metadata = given.pairs("meta") or None
        token.uses = given.integer("num_uses") or (role.uses if role else 0)
        orphan = is_orphan or given.boolean("no_parent") or bool(role and role.orphan)
        token.parent = None if orphan else parent
        token.path = f"auth/token/{request.path}"
        return ServerResponse(200, {"auth": token.auth(self._clock())})

    def _check_creation(self, given: Parameters, parent: Token, *, is_orphan: bool) -> None:
        """Reject what cannot be created."""
        value, kind = given.text("id"), given.text("type")
        if kind == "batch":
            raise unsupported_parameter("type", "batch")
        if kind not in _TYPES:
            raise ErrorResponse(400, "invalid 'token_type' value")
        if given.text("entity_alias"):
            reason = "'entity_alias' is only allowed in combination with token role"
            raise ErrorResponse(400, reason)
        if given.integer("num_uses") < 0:
            raise ErrorResponse(400, "number of uses cannot be negative")
        if value.startswith("s."):
            raise ErrorResponse(400, "custom token ID cannot have the 's.' prefix")
        if "." in value:
            raise ErrorResponse(400, "custom token ID cannot have a '.' in the value")
        if value and self._tokens.find(value):
            raise ErrorResponse(400, "cannot create a token with a duplicate ID")
        wants_root = bool(value) or given.boolean("no_parent") or is_orphan
        if wants_root and ROOT not in parent.policies:
            reason = "root or sudo privileges required to specify token id or create orphan token"
            raise ErrorResponse(400, reason)

    def _lookup(self, request: Request, token: Token) -> ServerResponse:
        given = read(request, "token")
        value = given.text("token") or token.value
        found = self._tokens.find(value)
        if found is None:
            raise ErrorResponse(403, "bad token")
        return data_response(found.describe(self._clock))

    def _lookup_self(self, request: Request, token: Token) -> ServerResponse:
        read(request, "token")
        return data_response(token.describe(self._clock))

    def _lookup_accessor(self, request: Request, _: Token) -> ServerResponse:
        found = self._by_accessor(read(request, "accessor"))
        return data_response({**found.describe(self._clock), "id": ""})

    def _renew(self, request: Request, _: Token) -> ServerResponse:
        given = read(request, "token", "increment")
        increment = given.seconds("increment")
        found = self._tokens.find(_require_token(given))
        if found is None:
            raise ErrorResponse(400, "token not found")
        return self._extend(found, increment)

    def _renew_self(self, request: Request, token: Token) -> ServerResponse:
        return self._extend(token, read(request, "token", "increment").seconds("increment"))

    def _renew_accessor(self, request: Request, _: Token) -> ServerResponse:
        given = read(request, "accessor", "increment")
        increment = given.seconds("increment")
        auth = self._extend(self._by_accessor(given), increment).body["auth"]
        return ServerResponse(200, {"auth": {**auth, "client_token": ""}})

    def _extend(self, token: Token, increment: float) -> ServerResponse:
        if not token.renewable:
            raise ErrorResponse(400, "lease is not renewable")
        return ServerResponse(200, {"auth": self._tokens.renew(token, increment)})

    def _revoke(self, request: Request, _: Token) -> ServerResponse:
        found = self._tokens.find(_require_token(read(request, "token")))
        if found is not None:
            self._tokens.revoke(found)
        return NO_CONTENT

    def _revoke_self(self, request: Request, token: Token) -> ServerResponse:
        read(request)
        self._tokens.revoke(token)
        return NO_CONTENT

    def _revoke_orphan(self, request: Request, _: Token) -> ServerResponse:
        found = self._tokens.find(_require_token(read(request, "token")))
        if found is None:
            raise ErrorResponse(400, "token to revoke not found")
        self._tokens.orphan_children(found)
        self._tokens.revoke(found)
        return NO_CONTENT

    def _revoke_accessor(self, request: Request, _: Token) -> ServerResponse:
        found = self._tokens.find_accessor(_require_accessor(read(request, "accessor")))
        if found is None:
            return ServerResponse(200, {"warnings": ["No token found with this accessor"]})
        self._tokens.revoke(found)
        return NO_CONTENT

    def _accessors(self, request: Request, _: Token) -> ServerResponse:
        read(request)
        return list_response([token.accessor for token in self._tokens.living()])

    def _by_accessor(self, given: Parameters) -> Token:
        found = self._tokens.find_accessor(_require_accessor(given))
        if found is None:
            raise ErrorResponse(400, frame_error("invalid accessor"))
        return found


def _require_accessor(given: Parameters) -> str:
    if not given.text("accessor"):
        raise ErrorResponse(400, frame_error("missing accessor"))
    return given.text("accessor")


def _require_token(given: Parameters) -> str:
    if not given.text("token"):
        raise ErrorResponse(400, "missing token ID")
    return given.text("token")


def _policies(given: Parameters, parent: Token, role: TokenRole | None) -> tuple[str, ...]:
    """Return the policies of a new token: those requested, or those of its role or its parent."""
    wanted = {name.strip().lower() for name in given.texts("policies", commas=False)}
    inherited = role.allowed_policies if role and role.allowed_policies else parent.policies
    names = wanted or {*inherited}
    if not wanted and not (role and role.allowed_policies):
        return tuple(sorted(names))
    no_default = given.boolean("no_default_policy") or bool(role and role.no_default_policy)
    if ROOT not in names and not no_default:
        names.add(DEFAULT)
    if role:
        role.check(names)
    elif ROOT not in parent.policies and not names <= {*parent.policies, DEFAULT}:
        raise ErrorResponse(400, "child policies must be subset of parent")
    return tuple(sorted(names))


def _times(given: Parameters, role: TokenRole | None, *, is_root: bool) -> dict[str, float]:
    """Return the TTL, the period and the explicit maximum TTL of a new token, in seconds."""
    found: dict[str, Any] = {}
    for name in ("ttl", "lease", "period", "explicit_max_ttl"):
        found[name] = given.seconds(name, signed=True, plain=True)
        if found[name] < 0:
            raise ErrorResponse(400, f"{name} must be positive")
    period = found["period"] or (role.period if role else 0.0)
    explicit = found["explicit_max_ttl"] or (role.explicit_max_ttl if role else 0.0)
    ttl = period or found["ttl"] or found["lease"]
    if not ttl:
        ttl = NEVER if is_root and not explicit else float(MAX_TTL)
    if ttl != NEVER and not period:
        ttl = min(ttl, MAX_TTL)
    ttl = min(ttl, explicit) if explicit else ttl
    return {"ttl": ttl, "period": period, "explicit_max_ttl": explicit}


def _display_name(given: str) -> str:
    """Return the display name as the server shows it."""
    plain = re.sub(r"[^a-zA-Z0-9-]", "-", given)
    return f"token-{plain}".rstrip("-")
