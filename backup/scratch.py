"""Scratch PostgreSQL server: a private one, into which a backup is restored to verify it.

It listens on a Unix socket in its own folder only, dies with this process, and is erased.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg.sql import SQL, Composed, Identifier, Literal

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from backup.child_process import child_process
from backup.errors import BackupFailed
from backup.facts import DatabaseFacts
from backup.login import DatabaseLogin
from backup.temporary_folder import remove_abandoned, temporary_folder
from local.processes import binaries
from local.servers import postgres_home
from local.servers.accounts import SUPERUSER

PREFIX: Final = "strongroom-scratch-"
START_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02
_REASON: Final = re.compile(r"\b(?:error|ERROR|FATAL|PANIC): .*")
_PORT: Final = "5432"  # part of the name of its socket
_MAX_SOCKET: Final = 107  # bytes of the path of a Unix socket
_DATABASE: Final = "scratch"
_INITDB: Final = (*postgres_home.INITDB, "--no-data-checksums", "--no-sync")
#: Without durability, because a server that was killed is erased. Shared memory is in files of its
#: folder, so that a kill leaves none elsewhere.
_SETTINGS: Final = (
    *("listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off"),
    *("wal_level=minimal", "max_wal_senders=0", "max_wal_size=2GB", "autovacuum=off"),
    *("max_connections=8", "max_locks_per_transaction=1024", "dynamic_shared_memory_type=mmap"),
    *("log_min_messages=fatal", "log_min_error_statement=panic", "log_error_verbosity=terse"),
)


@dataclass(frozen=True, slots=True)
class _Account:
    """User and group id that the server runs as; None for those of this process."""

    owner: tuple[int, int] | None = None

    @property
    def user_id(self) -> int:
        return self.owner[0] if self.owner else os.geteuid()

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of :class:`subprocess.Popen`."""
        if self.owner is None:
            return {}
        user, group = self.owner
        return {"user": user, "group": group, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class ScratchServer:
    """A running scratch server in *folder*."""

    folder: Path
    password: Secret

    @property
    def address(self) -> dict[str, str]:
        """Return the parameters of its socket, in place of PGPORT and PGHOSTADDR."""
        return {"host": str(self.folder), "hostaddr": "", "port": _PORT}

    def create_database(self, facts: DatabaseFacts, owner: str) -> DatabaseLogin:
        """Create a database for *facts*, and return the login of a user that may act as *owner*.

        The user is no superuser, because a restore runs code of the database's users.
        """
        user, password = f"restore_{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(24))
        with self._login(SUPERUSER, self.password, SUPERUSER).connect() as superuser:
            for role in {owner, *facts.roles} - {SUPERUSER}:
                superuser.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(role)))
            statement = "CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}"
            parts = Identifier(user), Literal(password.reveal()), Identifier(owner)
            superuser.execute(SQL(statement).format(*parts))
            _create_database(superuser, facts, owner)
        with self._login(SUPERUSER, self.password, _DATABASE).connect() as superuser:
            _prepare_database(superuser, facts, owner)
        return self._login(user, password, _DATABASE)

    def _login(self, user: str, password: Secret, database: str) -> DatabaseLogin:
        parameters = {**self.address, "user": user, "dbname": database}
        return DatabaseLogin(parameters, password)


@contextmanager
def scratch_server() -> Iterator[ScratchServer]:
    """Run a scratch server during the block, and remove what killed processes left of theirs."""
    install, account = binaries.postgres_folder(), _Account()
    if os.geteuid() == 0:
        entry = pwd.getpwnam(postgres_home.server_user())
        install = postgres_home.ensure_executable(install, entry.pw_name)
        account = _Account((entry.pw_uid, entry.pw_gid))
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent, PREFIX, (os.geteuid(), account.user_id), _kill_processes)
    with temporary_folder(parent, PREFIX, account.owner) as folder:
        _check_folder(folder, account)
        server = ScratchServer(folder, Secret(secrets.token_urlsafe(24)))
        _initialise(server, install, account)
        with _running(server, install, account):
            yield server


def _check_folder(folder: Path, account: _Account) -> None:
    hint = "set TMPDIR to another folder"
    if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) > _MAX_SOCKET:
        raise ConfigurationError(f"{folder} is too long for the path of a socket; {hint}")
    try:
        subprocess.run(["/bin/true"], cwd=folder, check=True, **account.arguments)
    except PermissionError:
        raise ConfigurationError(
            f"the user that PostgreSQL runs as cannot enter {folder.parent}; {hint}"
        ) from None


def _initialise(server: ScratchServer, install: Path, account: _Account) -> None:
    password_file = server.folder / "password"
    write_private(password_file, server.password.reveal(), owner=account.owner)
    options = (f"--pgdata={server.folder / 'data'}", f"--pwfile={password_file}", *_INITDB)
    with _start(server, install, account, "initdb", *options) as process:
        if process.wait():
            raise BackupFailed(
                f"the scratch server cannot be created: {_log_end(server)}; check the installation "
                "of PostgreSQL"
            )
    password_file.unlink()


@contextmanager
def _running(server: ScratchServer, install: Path, account: _Account) -> Iterator[None]:
    settings = (*_SETTINGS, f"unix_socket_directories={server.folder}")
    options = [option for setting in settings for option in ("-c", setting)]
    data = str(server.folder / "data")
    with _start(server, install, account, "postgres", "-D", data, *options) as process:
        _wait_until_ready(server, process)
        yield


@contextmanager
def _start(
    server: ScratchServer, install: Path, account: _Account, binary: str, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    # SIGQUIT ends the sessions of the server too. They would outlive it after SIGKILL.
    with (
        (server.folder / "log").open("ab") as log,
        child_process(
            [str(install / "bin" / binary), *options],
            signal.SIGQUIT,
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **account.arguments,
        ) as process,
    ):
        yield process


def _wait_until_ready(server: ScratchServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while PGconn.ping(make_conninfo(**server.address).encode()) != Ping.OK:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BackupFailed(
                f"the scratch server does not start: {_log_end(server)}; check the installation of "
                "PostgreSQL"
            )
        time.sleep(POLL_SECONDS)


def _log_end(server: ScratchServer) -> str:
    """Return the reasons in the log, because initdb ends it with what it removes."""
    text = (server.folder / "log").read_text(errors="replace")
    lines = _REASON.findall(text) or text.splitlines()
    return " ".join(lines[-3:]) or "it logged nothing"


def _create_database(superuser: psycopg.Connection, facts: DatabaseFacts, owner: str) -> None:
    """Create the database with the locale of the source, or with that of the server.

    A locale of the operating system may be missing on this machine.
    """
    base = "CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy OWNER {} ENCODING {}"
    statement = SQL(base).format(Identifier(_DATABASE), Identifier(owner), Literal(facts.encoding))
    try:
        superuser.execute(statement + _locale(facts))
    except psycopg.Error:
        fallback = "" if facts.encoding == "UTF8" else " LOCALE_PROVIDER libc LOCALE 'C'"
        superuser.execute(statement + SQL(fallback))


def _locale(facts: DatabaseFacts) -> Composed:
    provider, collation, character_type, locale = facts.locale
    names = {"b": ("builtin", " BUILTIN_LOCALE {}"), "i": ("icu", " ICU_LOCALE {}")}
    title, own = names.get(provider, ("libc", ""))
    base = SQL(" LOCALE_PROVIDER {} LC_COLLATE {} LC_CTYPE {}")
    composed = base.format(SQL(title), Literal(collation), Literal(character_type))
    return composed + SQL(own).format(Literal(locale)) if own else composed


def _prepare_database(superuser: psycopg.Connection, facts: DatabaseFacts, owner: str) -> None:
    superuser.execute(SQL("ALTER SCHEMA public OWNER TO {}").format(Identifier(owner)))
    for name, schema in facts.extensions.items():
        if not schema.startswith("pg_"):
            statement = SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
            superuser.execute(statement.format(Identifier(schema), Identifier(owner)))
        statement = SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {} CASCADE")
        superuser.execute(statement.format(Identifier(name), Identifier(schema)))


def _kill_processes(folder: Path) -> None:
    # Not "data" itself, which the user of the folder may have made a link to another cluster.
    postgres_home.kill_processes(folder.resolve() / "data")
