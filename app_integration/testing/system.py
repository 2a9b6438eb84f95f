"""The API below ``sys/`` in memory: state of the server, mounts, capabilities, audit devices."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from typing import Any, Final

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    UNSUPPORTED_METHOD,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    frame_error,
    system_response,
    unsupported_operation,
    unsupported_path,
)
from app_integration.testing.leases import Leases
from app_integration.testing.mount_table import MountTable
from app_integration.testing.parameters import Parameters, read
from app_integration.testing.policies import ROOT, PolicyStore
from app_integration.testing.tokens import Token, TokenStore

#: Returns whether policies grant a capability on a path: (policies, capability, path).
Authorise = Callable[[tuple[str, ...], str, str], bool]
_VERSION: Final = "2.7.2"  # of the OpenBao that its responses are compared with
_CAPABILITIES: Final = ("create", "delete", "list", "patch", "read", "sudo", "update")
_NO_DEVICE: Final = (
    "cannot enable audit device via API; use declarative, config-based audit device management"
    " instead"
)


class System:
    """The system backend of a server."""

    def __init__(
        self,
        clock: Clock,
        tokens: TokenStore,
        leases: Leases,
        *,
        secrets: MountTable,
        auth: MountTable,
        salt: bytes,
        audit_devices: Collection[str],
        authorise: Authorise | None,
    ) -> None:
        self._clock = clock
        self._tokens = tokens
        self._leases = leases
        self.secrets = secrets
        self.auth = auth
        self._salt = salt
        self._audit_devices = audit_devices
        self._policies = PolicyStore(clock)
        self.authorise = authorise or _allow

    def handle_open(self, request: Request) -> ServerResponse | None:
        """Handle a request that needs no token; return None if it needs one."""
        states: dict[str, Callable[[], dict[str, Any]]] = {
            "health": self._health,
            "seal-status": self._seal_status,
            "init": lambda: {"initialized": True},
            "leader": lambda: {"ha_enabled": False},
        }
        state = states.get(request.path)
        if state is None:
            return None
        if request.method not in {"GET", "HEAD"} or (
            request.method == "HEAD" and request.path != "health"
        ):
            raise ErrorResponse(405, unsupported=UNSUPPORTED_METHOD)
        read(request, *(("standbyok", "perfstandbyok") if request.path == "health" else ()))
        return ServerResponse(200, state(), is_plain=True)

    def handle(self, request: Request, token: Token) -> ServerResponse:
        """Handle a request below ``sys/``, sent with *token*, and return the response."""
        kind, _, path = request.path.rstrip("/").partition("/")
        below, _, name = path.partition("/")
        handlers: dict[str, Callable[[], ServerResponse]] = {
            "mounts": lambda: self.secrets.handle(path, request),
            "auth": lambda: self.auth.handle(path, request),
            "leases": lambda: self._leases.handle_leases(request.below("leases")),
            "policy": lambda: self._policies.handle(path, request, is_old=True),
            "audit": lambda: self._audit(path, request),
            "audit-hash": lambda: self._audit_hash(path, request),
        }
        if below == "acl":
            handlers["policies"] = lambda: self._policies.handle(name, request)
        if not path:
            for each in ("capabilities-self", "capabilities", "capabilities-accessor"):
                handlers[each] = lambda: self._capabilities(kind, request, token)
        if kind not in handlers:
            raise unsupported_path()
        return handlers[kind]()

    def _health(self) -> dict[str, Any]:
        return {
            "initialized": True,
            "sealed": False,
            "standby": False,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": "disabled",
            "server_time_utc": self._clock.unix(),
            "version": _VERSION,
            "cluster_name": "memory",
            "cluster_id": "memory",
        }

    def _seal_status(self) -> dict[str, Any]:
        return {
            "type": "shamir",
            "initialized": True,
            "sealed": False,
            "t": 1,
            "n": 1,
            "progress": 0,
            "nonce": "",
            "version": _VERSION,
            "build_date": "",
            "migration": False,
            "cluster_name": "memory",
            "cluster_id": "memory",
            "recovery_seal": False,
            "storage_type": "inmem",
        }

    def _capabilities(self, kind: str, request: Request, token: Token) -> ServerResponse:
        if request.method != "POST":
            raise unsupported_operation()
        subject = {"capabilities-self": (), "capabilities": ("token",)}.get(kind, ("accessor",))
        given = read(request, "path", "paths", *subject)
        paths = given.texts("paths") or given.texts("path")
        if not paths:
            raise ErrorResponse(400, "paths must be supplied")
        of = self._subject(kind, given, token)
        found = {path: self._granted(of, path) for path in paths}
        alone = {"capabilities": found[paths[0]]} if len(paths) == 1 else {}
        return system_response({**found, **alone})

    def _subject(self, kind: str, given: Parameters, token: Token) -> Token:
        if kind == "capabilities-self":
            return token
        if kind == "capabilities":
            found = self._tokens.find(given.text("token"))
        else:
            found = self._tokens.find_accessor(given.text("accessor"))
        if found is None:
            what = "token" if kind == "capabilities" else "accessor"
            raise ErrorResponse(400, frame_error(f"invalid {what}"))
        return found

    def _granted(self, token: Token, path: str) -> list[str]:
        if ROOT in token.policies:
            return [ROOT]
        granted = [each for each in _CAPABILITIES if self.authorise(token.policies, each, path)]
        return granted or ["deny"]

    def _audit(self, path: str, request: Request) -> ServerResponse:
        match request.method, path:
            case "GET", "":
                read(request)
                devices = {f"{name}/": {"type": "file"} for name in self._audit_devices}
                return system_response(devices)
            case "POST", name if name:
                raise ErrorResponse(400, _NO_DEVICE)
            case "DELETE", name if name and name not in self._audit_devices:
                read(request)
                return NO_CONTENT
            case _:
                raise unsupported_operation()

    def _audit_hash(self, device: str, request: Request) -> ServerResponse:
        if request.method != "POST":
            raise unsupported_operation()
        text = read(request, "input").text("input")
        if not text:
            raise ErrorResponse(400, 'the "input" parameter is empty')
        if device not in self._audit_devices:
            raise ErrorResponse(400, f'unknown audit backend "{device}/"')
        digest = hmac.digest(self._salt, text.encode(), "sha256").hex()
        return data_response({"hash": f"hmac-sha256:{digest}"})


def _allow(_policies: object, _capability: str, _path: str) -> bool:
    return True
