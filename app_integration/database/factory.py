"""The engines and pools of one application, and whom they share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app_integration.database.credentials import CredentialProvider
from app_integration.database.external_credentials import in_file, in_secret
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    from app_integration.wiring import Wiring

KINDS: Final = {
    "engine": "app_integration.database.engine:leased_engine",
    "async engine": "app_integration.database.engine:async_leased_engine",
    "pool": "app_integration.database.pool:LeasedPool",
    "async pool": "app_integration.database.pool:AsyncLeasedPool",
}
#: What closes them at the end. Those of asyncio are closed in their own loop, by their owner.
_CLOSE: Final = {"engine": "dispose", "pool": "close"}
#: Holds driver, host and database when nothing else is named.
_ADDRESS: Final = "database-url"


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """Whose connections an engine or pool makes: by default those of the service's default role.

    Attributes:
        role: a named database role of the service, which leases users.
        secret: name of a secret that is a URL with a user and a password.
        credentials: a file that the agent delivers.
    """

    role: str | None = None
    secret: str | None = None
    credentials: Path | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("role", "secret", "credentials") if getattr(self, name)]
        if len(given) > 1:
            raise ConfigurationError(f"database connections take one of {' and '.join(given)}")


class DatabaseFactory:
    """Makes engines and pools. Thread-safe."""

    def __init__(self, wiring: Wiring, at_close: ExitStack) -> None:
        """Args: *at_close* is told what to close, after what it was made from."""
        self._wiring = wiring
        self._at_close = at_close
        self._users: dict[CredentialSource, CredentialProvider] = {}

    def open(self, kind: str, url: str | None, options: Mapping[str, Any], **user: Any) -> Any:
        """A new engine or pool.

        Args:
            kind: one of :data:`KINDS`.
            url: driver, host and database; by default those of the user's secret, or of
                the secret ``database-url``.
            options: of the library that makes it.
            user: the fields of :class:`CredentialSource`.
        """
        from app_integration.wiring import load  # noqa: PLC0415 (the wiring loads this module)

        source = CredentialSource(**user)
        users = self._shared(source)
        address = url or self._wiring.secrets.get(source.secret or _ADDRESS)
        made = load(KINDS[kind])(users, address, **options)
        if kind in _CLOSE:
            self._at_close.callback(getattr(made, _CLOSE[kind]))
        return made

    def _shared(self, source: CredentialSource) -> CredentialProvider:
        """One lease for each role, whatever number of engines and pools use it."""
        with self._wiring.lock:
            if source not in self._users:
                self._users[source] = users = self._make(source)
                self._at_close.callback(users.close)
            return self._users[source]

    def _make(self, source: CredentialSource) -> CredentialProvider:
        if source.credentials is not None:
            return in_file(source.credentials)
        if source.secret is not None:
            return in_secret(partial(self._read, source.secret), source.secret)
        settings = self._wiring.settings
        return LeasedCredentials(
            self._wiring.session,
            settings.scope.database_role(source.role),
            limits=settings.limits,
            clock=self._wiring.clock,
        )

    def _read(self, name: str, stale: bool) -> Any:
        return self._wiring.secrets.get(name, force_refresh=stale)
