"""Restore of a backup: into a scratch server, and then into an empty database."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import psycopg

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Scope
from backup import inventory, programs
from backup.archive import read_dump, read_facts
from backup.errors import BackupFailed, RestoreRefused
from backup.facts import DatabaseFacts, differences
from backup.inventory import Inventory
from backup.label import BackupLabel
from backup.login import DatabaseLogin, pin_settings
from backup.scratch import scratch_server
from vault.progress import Progress

#: ``17; 2615 2200 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES gaara_store_owner``.
_ENTRY: Final = re.compile(r"\d+; \d+ \d+ (?P<what>.*)")
_DEFAULT_PRIVILEGES: Final = "DEFAULT ACL "
_SHOWN: Final = 5  # differences in an error


def select_entries(
    listing: str, *, owner: str, extensions: Collection[str], schemas: Collection[str]
) -> str:
    """Return the lines of *listing* that a restore as *owner* needs and may run.

    Left out are schemas and extensions that the target has, with the comments of the latter,
    because only their creator may comment on them; and default privileges of other roles.
    """
    skipped = {f"EXTENSION - {name} " for name in extensions}
    skipped |= {f"SCHEMA - {name} " for name in schemas}
    skipped |= {f"COMMENT - EXTENSION {name} " for name in extensions}
    kept = []
    for line in listing.splitlines():
        found = _ENTRY.fullmatch(line)
        what = f"{found['what']} " if found else ""
        if any(what.startswith(each) for each in skipped):
            continue
        if what.startswith(_DEFAULT_PRIVILEGES) and not what.endswith(f" {owner} "):
            continue
        kept.append(line)
    return "\n".join(kept) + "\n"


@dataclass(frozen=True, slots=True)
class Restored:
    """Result of a restore that was verified."""

    label: BackupLabel
    facts: DatabaseFacts
    seconds: float

    @property
    def tables(self) -> int:
        """Return the number of tables."""
        return len(self.facts.tables) - 1  # without the large objects


class Backup:
    """Encrypted backup in a file.

    *identity* is a file with private keys of age, in place of the service's key.
    """

    def __init__(
        self,
        path: Path,
        label: BackupLabel,
        cipher: FileCipher,
        progress: Progress,
        *,
        identity: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._label = label
        self._cipher = cipher
        self._progress = progress
        self._identity = identity
        self._clock = clock

    def drill(self) -> Restored:
        """Restore the backup into a scratch server, and compare it with the source's facts."""
        started = self._clock()
        expected, entries = self._read_contents()
        with scratch_server() as server:
            login = server.create_database(expected, self._label.scope.owner_role)
            found = self._restore(login, entries, "restoring into a scratch server")
        _check(
            differences(expected, found, exact=False),
            "the restored copy differs",
            "run the command again, and if it repeats, look at that table",
        )
        return Restored(self._label, found, self._clock() - started)

    def restore_into(self, target: DatabaseLogin) -> Restored:
        """Restore the backup into an empty database, after a drill.

        Any BackupFailed about differences comes after the commit; otherwise nothing was restored.
        """
        started = self._clock()
        facts, entries = self._read_contents()
        _check_target(target, self._label.scope, facts)
        drilled = self.drill()
        _check_target(target, self._label.scope, facts)
        found = self._restore(target, entries, f"restoring into {target.database}")
        _check(
            differences(drilled.facts, found, exact=True),
            f"the database {target.database} differs from the backup",
            "drop it, and restore into another one",
        )
        return Restored(self._label, found, self._clock() - started)

    def _read_contents(self) -> tuple[DatabaseFacts, str]:
        """Return the facts of the source, and the table of contents of the dump."""
        with self._open() as file:
            facts = read_facts(file)
            return facts, programs.list_entries(read_dump(file))

    def _open(self) -> BinaryIO:
        context = self._label.context()
        return self._cipher.open(self._path, context=context, identity=self._identity)

    def _restore(self, login: DatabaseLogin, entries: str, title: str) -> DatabaseFacts:
        owner = self._label.scope.owner_role
        with login.connect() as connection:
            pin_settings(connection)
            # With what the environment of this process adds, such as PGHOST or PGSSLMODE, because
            # the program does not inherit it.
            opened = DatabaseLogin.of(connection)
            selected = select_entries(
                entries,
                owner=owner,
                extensions=inventory.installed_extensions(connection),
                schemas=inventory.schemas(connection),
            )
        with self._progress(title, self._path.stat().st_size) as advance:
            programs.restore(opened, self._read_dump(advance), role=owner, entries=selected)
        return _read_facts(login, owner, self._progress)

    def _read_dump(self, advance: Callable[[int], None]) -> Iterator[bytes]:
        with self._open() as file:
            read_facts(file)
            yield from read_dump(_CountingReader(file.read, advance))


class _CountingReader:
    """Reader that reports how many bytes were read."""

    def __init__(self, read: Callable[[int], bytes], advance: Callable[[int], None]) -> None:
        self._read = read
        self._advance = advance

    def read(self, size: int, /) -> bytes:
        data = self._read(size)
        self._advance(len(data))
        return data


def _read_facts(login: DatabaseLogin, owner: str, progress: Progress) -> DatabaseFacts:
    with login.connect() as connection:
        _set_role(connection, owner)
        pin_settings(connection)
        found = Inventory(connection)
        with progress(f"comparing {login.database}", found.size) as advance:
            return found.read(advance)


def _set_role(connection: psycopg.Connection, owner: str) -> None:
    connection.execute("SELECT set_config('role', %s, false)", (owner,))


def _check_target(target: DatabaseLogin, scope: Scope, facts: DatabaseFacts) -> None:
    """Check that the target is empty, and has the roles of the backup."""
    with target.connect() as connection:
        pin_settings(connection)
        if not inventory.is_empty(connection):
            raise RestoreRefused(
                f"the database {target.database} is not empty, and nothing in it is replaced; "
                "create an empty one, and pass its URL"
            )
        missing = _missing_roles(connection, {scope.owner_role, *facts.roles})
        if missing:
            raise RestoreRefused(
                f"the server of the database {target.database} lacks the roles "
                f"{', '.join(missing)}, which own the objects or have rights on them; create them "
                "first"
            )
        try:
            _set_role(connection, scope.owner_role)
        except psycopg.errors.InsufficientPrivilege:
            raise RestoreRefused(
                f"the user of the URL may not act as {scope.owner_role}, which owns the objects; "
                "grant it that role"
            ) from None


def _missing_roles(connection: psycopg.Connection, roles: Iterable[str]) -> list[str]:
    rows = connection.execute("SELECT rolname FROM pg_roles")
    return sorted({*roles} - {name for (name,) in rows})


def _check(found: list[str], what: str, remedy: str) -> None:
    if found:
        shown = "; ".join(found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BackupFailed(f"{what}: {shown}{more}; {remedy}")
