"""Roles of the token auth method in memory, which limit the tokens created with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    list_response,
    unsupported_operation,
    unsupported_parameter,
    unsupported_path,
)
from app_integration.testing.parameters import Parameters, read

_SUPPORTED: Final = (
    *("allowed_policies", "disallowed_policies", "orphan", "renewable", "token_period"),
    *("token_explicit_max_ttl", "token_no_default_policy", "token_num_uses", "token_type"),
)
#: Parameters that are accepted only if they change nothing.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "allowed_policies_glob": [],
    "disallowed_policies_glob": [],
    "allowed_entity_aliases": [],
    "token_bound_cidrs": [],
    "bound_cidrs": [],
    "path_suffix": "",
    "period": 0,
    "explicit_max_ttl": 0,
}
_TYPES: Final = ("default-service", "default-batch", "service", "default")


@dataclass(slots=True)
class TokenRole:
    """A role of the token auth method."""

    name: str
    allowed_policies: tuple[str, ...] = ()
    disallowed_policies: tuple[str, ...] = ()
    orphan: bool = False
    renewable: bool = True
    period: float = 0.0
    explicit_max_ttl: float = 0.0
    no_default_policy: bool = False
    uses: int = 0
    kind: str = "default-service"

    def check(self, policies: Collection[str]) -> None:
        """Raise an error unless the role allows *policies*."""
        added = () if self.no_default_policy or not self.allowed_policies else ("default",)
        allowed = sorted({*self.allowed_policies, *added})
        if allowed and not {*policies} <= {*allowed}:
            reason = f"must be subset of the role's allowed policies ({_shown(allowed)})"
            raise ErrorResponse(
                400, f"token policies ({_shown(sorted(policies))}) {reason} or glob policies ([])"
            )
        for name in sorted({*policies} & {*self.disallowed_policies}):
            raise ErrorResponse(400, f'token policy "{name}" is disallowed by this role')

    def updated(self, given: Parameters) -> TokenRole:
        """Return the role with the fields that are *given*."""
        new = replace(
            self,
            allowed_policies=_names(given, "allowed_policies", self.allowed_policies),
            disallowed_policies=_names(given, "disallowed_policies", self.disallowed_policies),
            orphan=given.boolean("orphan", self.orphan),
            renewable=given.boolean("renewable", self.renewable),
            period=given.seconds("token_period", self.period),
            explicit_max_ttl=given.seconds("token_explicit_max_ttl", self.explicit_max_ttl),
            no_default_policy=given.boolean("token_no_default_policy", self.no_default_policy),
            uses=given.integer("token_num_uses", self.uses),
            kind=given.text("token_type", self.kind) or "default-service",
        )
        if new.kind == "batch":
            raise unsupported_parameter("token_type", "batch")
        if new.kind not in _TYPES:
            raise ErrorResponse(400, f"invalid 'token_type' value \"{new.kind}\"")
        if new.uses < 0:
            raise ErrorResponse(
                400, "error parsing role fields: 'token_num_uses' cannot be negative"
            )
        return new

    def describe(self) -> dict[str, Any]:
        """Return the role as the server shows it."""
        uses = {"token_num_uses": self.uses} if self.uses else {}
        return {
            **uses,
            "name": self.name,
            "allowed_entity_aliases": None,
            "allowed_policies": list(self.allowed_policies),
            "allowed_policies_glob": [],
            "disallowed_policies": list(self.disallowed_policies),
            "disallowed_policies_glob": [],
            "explicit_max_ttl": 0,
            "orphan": self.orphan,
            "path_suffix": "",
            "period": 0,
            "renewable": self.renewable,
            "token_explicit_max_ttl": round(self.explicit_max_ttl),
            "token_no_default_policy": self.no_default_policy,
            "token_period": round(self.period),
            "token_type": self.kind,
        }


class TokenRoles:
    """The roles of the token auth method."""

    def __init__(self) -> None:
        self._roles: dict[str, TokenRole] = {}

    def find(self, name: str) -> TokenRole:
        """Return the role *name*."""
        if name not in self._roles:
            raise ErrorResponse(400, f"unknown role {name}")
        return self._roles[name]

    def handle(self, name: str, request: Request) -> ServerResponse:
        """Handle a request for the role *name*, or for the list if it is ""."""
        if "/" in name:
            raise unsupported_path()
        match request.method, name:
            case "LIST", "":
                read(request)
                return list_response(sorted(self._roles))
            case "GET", found if found:
                read(request)
                if name not in self._roles:
                    raise ErrorResponse(404)
                return data_response(self._roles[name].describe())
            case "POST", found if found:
                role = self._roles.get(name) or TokenRole(name)
                given = read(request, *_SUPPORTED, defaults=_DEFAULTS)
                self._roles[name] = role.updated(given)
                return NO_CONTENT
            case "DELETE", found if found:
                read(request)
                self._roles.pop(name, None)
                return NO_CONTENT
            case _:
                raise unsupported_operation()


def _names(given: Parameters, name: str, before: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(given.texts(name)) if name in given else before


def _shown(names: Collection[str]) -> str:
    """Return names as the server's errors list them."""
    return "[" + " ".join(f'"{name}"' for name in names) + "]"
