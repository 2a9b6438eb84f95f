"""Administrator of a PostgreSQL server of the team's own, on which a local deployment has users."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration._internal.private_file import write_private
from app_integration._internal.server_urls import is_loopback_host
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from local.runtime_interface import Status
from local.servers.accounts import DatabaseAccounts, Superuser

if TYPE_CHECKING:
    import psycopg

_DRIVER: Final = re.compile(r"^postgres(ql)?(\+\w+)?://")
_OLDEST: Final = 16
# As the secrets server connects to it.
_PLAIN: Final[Mapping[str, str]] = {"sslmode": "disable"}
_VERIFIED: Final[Mapping[str, str]] = {"sslmode": "verify-full", "sslrootcert": "system"}


@dataclass(frozen=True, slots=True)
class Administrator(Superuser):
    """Administrator of the PostgreSQL at *host* and *port*, who may not be a superuser."""

    @property
    def url_file(self) -> Path:
        """Return the file with the administrator's URL, which is in no repository."""
        return self.layout.administrators / self.address

    def status(self) -> Status:
        """Return the state of the server, which no command starts or stops."""
        title, is_reachable = f"PostgreSQL at {self.address}", self.is_server_reachable()
        return Status("own-database", title, 0, is_reachable, pid=None, since=None)

    def store(self, url: str) -> None:
        """Check the administrator's URL, and store it for later commands."""
        self._parse(url)
        self.layout.create()
        write_private(self.url_file, url.strip())

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Connect to *database*, or to that of the URL, in autocommit mode."""
        import psycopg  # noqa: PLC0415 (an address needs no connection)

        try:
            connection = super(Administrator, self).connect(database)
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"the PostgreSQL at {self.address} accepts no login of its administrator: {reason};"
                f" correct the URL in {self.url_file}, or delete that file, and run strongroom up, "
                "which asks for it"
            ) from None
        if connection.info.server_version < _OLDEST * 10000:
            connection.close()
            raise ConfigurationError(
                f"the PostgreSQL at {self.address} is older than {_OLDEST}, and cannot have leased "
                "users; name another server in environments/dev.yaml"
            )
        # So that one who is no superuser can act as the owner of the database.
        connection.execute("SET createrole_self_grant = 'set, inherit'")
        return connection

    def _login(self, database: str | None) -> dict[str, str]:
        if not self.url_file.exists():
            raise ConfigurationError(
                f"the administrator's URL of the PostgreSQL at {self.address}, which "
                "environments/dev.yaml names, is not known; on a terminal strongroom up asks for "
                f"it; or write it into {self.url_file}, with mode 0600"
            )
        found = self._parse(self.url_file.read_text(encoding="utf-8"))
        tls = _PLAIN if is_loopback_host(self.host) else _VERIFIED
        return {"hostaddr": "", **tls, **found, **({"dbname": database} if database else {})}

    def _parse(self, url: str) -> dict[str, str]:
        """Return the connection's parameters in *url*. An error contains no part of it."""
        import psycopg  # noqa: PLC0415 (as above)
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 (as above)

        text, found = url.strip(), dict[str, str]()
        if _DRIVER.match(text):
            try:
                parsed = conninfo_to_dict(_DRIVER.sub("postgresql://", text))
            except psycopg.Error:
                parsed = {}
            found = {key: str(value) for key, value in parsed.items()}
        where = found.get("host"), found.get("port", "5432")
        if where != (self.host, str(self.port)) or "user" not in found:
            raise ConfigurationError(
                f"the administrator's URL for {self.url_file} is not the URL of a user of the "
                f"PostgreSQL at {self.address}, which environments/dev.yaml names; expected "
                f"postgresql://USER:PASSWORD@{self.address}/postgres, percent-encoded"
            )
        return found


def manager_suffix(password: Secret, address: str) -> str:
    """Return the suffix of the manager's name, which no other deployment's manager has.

    So several deployments can lease users on one server, and one deployment on several.
    """
    return f"_{hashlib.sha256(f'{address} {password.reveal()}'.encode()).hexdigest()[:8]}"


def ensure_own_roles(accounts: DatabaseAccounts) -> None:
    """Create the service's database and roles on the team's server, if they are missing."""
    import psycopg  # noqa: PLC0415 (as above)

    try:
        accounts.ensure_roles()
    except psycopg.Error as error:
        administrator = accounts.superuser
        assert isinstance(administrator, Administrator)  # noqa: S101 (for mypy)
        reason = error.diag.message_primary or "no connection"
        raise ConfigurationError(
            f"{accounts.describe_failure(error)} on the PostgreSQL at {administrator.address}: "
            f"{reason}; give the administrator, whose URL is in {administrator.url_file}, "
            "CREATEROLE and CREATEDB, or make it a superuser"
        ) from None
