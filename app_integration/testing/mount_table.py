"""Mounts of the in-memory server: which engine or auth method is at which path."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    system_response,
    unsupported_feature,
    unsupported_operation,
)
from app_integration.testing.parameters import Parameters, check, read
from app_integration.testing.tokens import MAX_TTL, Token

Handle = Callable[[Request, Token], ServerResponse]
#: First segments of paths that are no mounts of the operator.
_PROTECTED: Final = ("sys", "auth", "cubbyhole", "identity")
#: Types of the real server that have no counterpart in memory.
_UNSUPPORTED: Final = {
    *("aws", "azure", "consul", "cubbyhole", "database", "gcp", "identity", "kubernetes", "ldap"),
    *("nomad", "openldap", "pki", "rabbitmq", "ssh", "terraform", "totp", "transform"),
    *("cert", "github", "jwt", "kerberos", "oidc", "okta", "radius", "userpass"),
}
#: Parameters of a mount that are accepted only if they change nothing.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "config": {},
    "local": False,
    "seal_wrap": False,
    "external_entropy_access": False,
    "plugin_name": "",
    "plugin_version": "",
}


@dataclass(slots=True)
class Mount:
    """An engine or an auth method at a path."""

    kind: str
    handle: Handle
    description: str = ""
    options: Mapping[str, str] | None = None
    login: Callable[[Request], ServerResponse] | None = None
    accessor: str = field(default_factory=lambda: secrets.token_hex(4))

    def describe(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the mount as the server shows it, with *config* added to its configuration."""
        return {
            "type": self.kind,
            "description": self.description,
            "accessor": f"{self.kind}_{self.accessor}",
            "config": {
                "default_lease_ttl": 0,
                "force_no_cache": False,
                "max_lease_ttl": 0,
                **config,
            },
            "external_entropy_access": False,
            "local": False,
            "options": self.options,
            "seal_wrap": False,
        }


class MountTable:
    """The mounts of one kind: secrets engines, or auth methods."""

    def __init__(
        self,
        mounts: Mapping[str, Mount],
        build: Callable[[str, str, Mapping[str, str]], Mount],
        *,
        is_auth: bool = False,
    ) -> None:
        """Start with *mounts*, by path without a trailing slash.

        *build* returns a new mount for a path, a type and options; it rejects an unknown type.
        """
        self._mounts = {**mounts}
        self._build = build
        self._is_auth = is_auth
        self._config = {"token_type": "default-service"} if is_auth else {}

    def find(self, path: str) -> tuple[str, Mount] | None:
        """Return the mount of the API path *path*, with its own path."""
        for mount, found in self._mounts.items():
            if path == mount or path.startswith(f"{mount}/"):
                return mount, found
        return None

    def handle(self, path: str, request: Request) -> ServerResponse:
        """Handle a request for the mount at *path*, or for its ``tune``; "" for the list."""
        if not path:
            return self._list(request)
        if path.endswith("/tune"):
            return self._tune(path.removesuffix("/tune"), request)
        match request.method:
            case "GET":
                read(request)
                if path not in self._mounts:
                    what = "No auth engine" if self._is_auth else "No secret engine mount"
                    raise ErrorResponse(400, f"{what} at {path}/")
                return system_response(self._mounts[path].describe(self._config))
            case "POST":
                return self._mount(path, request)
            case "DELETE":
                return self._unmount(path, request)
            case _:
                raise unsupported_operation()

    def _list(self, request: Request) -> ServerResponse:
        if request.method != "GET":
            raise unsupported_operation()
        read(request)
        return system_response(
            {f"{path}/": mount.describe(self._config) for path, mount in self._mounts.items()}
        )

    def _mount(self, path: str, request: Request) -> ServerResponse:
        given = read(request, "type", "description", "options", defaults=_DEFAULTS)
        kind, options = given.text("type"), given.pairs("options")
        description = given.text("description")
        check(options, ("version",), prefix="options.")
        if not kind:
            raise ErrorResponse(400, "backend type must be specified as a string")
        if self._is_auth and kind == "token":
            raise ErrorResponse(400, "token credential backend cannot be instantiated")
        if not self._is_auth and path.partition("/")[0] in _PROTECTED:
            raise ErrorResponse(400, f'cannot mount "{path}/"')
        if kind in _UNSUPPORTED:
            raise unsupported_feature(f"mounts of the type {kind!r}")
        for known in self._mounts:
            if f"{path}/".startswith(f"{known}/") or known.startswith(f"{path}/"):
                raise ErrorResponse(400, f"path is already in use at {known}/")
        mount = self._build(path, kind, options)
        mount.description = description
        self._mounts[path] = mount
        return NO_CONTENT

    def _unmount(self, path: str, request: Request) -> ServerResponse:
        read(request)
        if self._is_auth and path == "token":
            raise ErrorResponse(400, "token credential backend cannot be disabled")
        if not self._is_auth and path in _PROTECTED:
            raise ErrorResponse(400, f'cannot unmount "{path}/"')
        self._mounts.pop(path, None)
        return NO_CONTENT

    def _tune(self, path: str, request: Request) -> ServerResponse:
        mount = self._mounts.get(path)
        if request.method == "POST":
            return self._set_description(path, mount, read(request, "description"))
        if request.method != "GET":
            raise unsupported_operation()
        read(request)
        if mount is None:
            raise ErrorResponse(400, f'cannot fetch sysview for path "{path}/"')
        options = {"options": mount.options} if mount.options else {}
        return system_response(
            {
                "description": mount.description,
                "default_lease_ttl": MAX_TTL,
                "max_lease_ttl": MAX_TTL,
                "force_no_cache": False,
                **self._config,
                **options,
            }
        )

    def _set_description(self, path: str, mount: Mount | None, given: Parameters) -> ServerResponse:
        if mount is None:
            raise ErrorResponse(400, f'tune of path "{path}/" failed: no mount entry found')
        mount.description = given.text("description", mount.description)
        return NO_CONTENT
