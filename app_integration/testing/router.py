"""Routing of the in-memory server: which part of it handles a request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from app_integration.mounts import Mounts
from app_integration.testing.approle import AppRoles
from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
    unsupported_feature,
    unsupported_route,
)
from app_integration.testing.kv import Kv
from app_integration.testing.leases import Leases
from app_integration.testing.mount_table import Mount, MountTable
from app_integration.testing.system import Authorise, System
from app_integration.testing.token_api import TokenApi
from app_integration.testing.tokens import DENIED, Token, TokenStore
from app_integration.testing.transit.engine import Transit
from app_integration.testing.wrapping import Wrapping

#: The server counts the strings of a request, keys as well as values.
_MAX_STRINGS: Final = 1000
_SALT_BYTES: Final = 32


class Router:
    """The engines, auth methods and system paths of a server."""

    def __init__(
        self,
        clock: Clock,
        mounts: Mounts,
        random: Callable[[int], bytes],
        authorise: Authorise | None,
        audit_devices: Collection[str],
    ) -> None:
        self._clock = clock
        self._mounts = mounts
        self._random = random
        self.leases = Leases(clock, mounts.database)
        self.tokens = TokenStore(clock, self.leases.revoke_token)
        self.approles = AppRoles(clock, self.tokens, mounts.approle)
        self.wrapping = Wrapping(clock)
        self._secrets = MountTable(self._secret_mounts(), self._build_engine)
        self._auth = MountTable(self._auth_mounts(), self._build_method, is_auth=True)
        self.system = System(
            clock,
            self.tokens,
            self.leases,
            secrets=self._secrets,
            auth=self._auth,
            salt=random(_SALT_BYTES),
            audit_devices=audit_devices,
            authorise=authorise,
        )

    def route(self, request: Request, ttl: float) -> ServerResponse:
        """Return the response to *request*."""
        if _count_strings(request.body) > _MAX_STRINGS:
            reason = "exceeded maximum number of strings"
            raise ErrorResponse(400, f"refused JSON input due to high complexity: {reason}")
        if request.path.endswith("/") and request.method in {"POST", "PATCH"}:
            raise ErrorResponse(400, "cannot write to a path ending in '/'")
        opened = self._route_open(request, ttl)
        if opened is not None:
            return opened
        token = self.tokens.find(request.token)
        if token is None or not self._allows(token, request):
            raise ErrorResponse(403, DENIED)
        self.tokens.count_use(token)
        try:
            return self._route_mounts(request, token, ttl)
        finally:
            self.tokens.revoke_used_up(token)

    def _allows(self, token: Token, request: Request) -> bool:
        return self.system.authorise(token.policies, request.capability, request.path)

    def _route_open(self, request: Request, ttl: float) -> ServerResponse | None:
        """Return the response to a request that needs no token; None if it needs one."""
        if request.path.startswith("sys/"):
            if request.path.startswith("sys/wrapping/") and request.path != "sys/wrapping/wrap":
                return self.wrapping.handle(request.below("sys/wrapping"), ttl)
            return self.system.handle_open(request.below("sys"))
        if request.path.startswith("auth/") and request.path.endswith("/login"):
            path = request.path.removeprefix("auth/").removesuffix("/login")
            found = self._auth.find(path)
            if found and found[0] == path and found[1].login:
                return found[1].login(request)
        return None

    def _route_mounts(self, request: Request, token: Token, ttl: float) -> ServerResponse:
        if request.path == "sys/wrapping/wrap":
            return self.wrapping.handle(request.below("sys/wrapping"), ttl)
        if request.path.startswith("sys/"):
            return self.system.handle(request.below("sys"), token)
        is_auth = request.path.startswith("auth/")
        table, prefix = (self._auth, "auth/") if is_auth else (self._secrets, "")
        found = table.find(request.path.removeprefix(prefix))
        if found is None:
            raise unsupported_route(request)
        mount, handler = found
        return handler.handle(request.below(f"{prefix}{mount}"), token)

    def _secret_mounts(self) -> dict[str, Mount]:
        return {
            self._mounts.kv: self._build_engine(self._mounts.kv, "kv-v2", {}),
            self._mounts.transit: self._build_engine(self._mounts.transit, "transit", {}),
            self._mounts.database: Mount("database", self.leases.handle, options={}),
        }

    def _build_engine(self, _: str, kind: str, options: Mapping[str, str]) -> Mount:
        """Return a new engine. See :class:`MountTable`."""
        version = "2" if kind == "kv-v2" else options.get("version", "1")
        if kind in {"kv", "kv-v2"}:
            if version != "2":
                raise unsupported_feature("KV version 1: mount it with the option version=2")
            kv = Kv(self._clock)
            return Mount("kv", lambda request, _: kv.handle(request), options={"version": "2"})
        if kind == "transit":
            transit = Transit(self._random, self._clock)
            return Mount("transit", lambda request, _: transit.handle(request), options={})
        raise ErrorResponse(400, f"plugin not found in the catalog: {kind}")

    def _auth_mounts(self) -> dict[str, Mount]:
        api = TokenApi(self._clock, self.tokens)
        return {
            "token": Mount("token", api.handle, "token based credentials"),
            self._mounts.approle: _approle_mount(self.approles),
        }

    def _build_method(self, path: str, kind: str, _: Mapping[str, str]) -> Mount:
        """Return a new auth method. See :class:`MountTable`."""
        if kind != "approle":
            raise ErrorResponse(400, f"plugin not found in the catalog: {kind}")
        return _approle_mount(AppRoles(self._clock, self.tokens, path))


def _approle_mount(roles: AppRoles) -> Mount:
    return Mount("approle", lambda request, _: roles.handle(request), options={}, login=roles.login)


def _count_strings(value: object) -> int:
    """Return the number of strings in *value*, keys and values."""
    if isinstance(value, Mapping):
        return len(value) + sum(map(_count_strings, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_count_strings, value))
    return int(isinstance(value, str))
