"""Commands ``backup create``, ``backup restore`` and ``backup list``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from rich.console import Console
from sqlalchemy import NullPool

from app_integration.client import Client
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import ConfigurationError
from app_integration.host_commands.options import name_rejected, offline_cipher
from app_integration.names import Scope
from app_integration.session.server_clock import read_server_clock
from backup import inspection
from backup.backup import Finished, back_up, describe
from backup.errors import BackupFailed, RestoreRefused
from backup.folder import BACKUPS, MANIFEST, BackupFolder
from backup.interruption import ended_by_signals
from backup.label import BackupLabel, is_backup_name, read_label
from backup.login import read_url_file
from backup.manifest import Entry
from backup.restore import Backup, Restored
from backup.source import Source, autocommit
from console.options import (
    HOST_ENV,
    HostEnv,
    Identity,
    Key,
    Recipients,
    Root,
    Service,
    build_duration_parser,
    build_keep_option,
)
from console.target.local_folder import DEFAULT_ROOT
from console.target.service_client import open_service_client
from console.target.target import Target, open_target
from console.views.byte_progress import show_progress
from console.views.escapes import say, show_finding
from vault.declare import counts, sizes
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database
from vault.progress import Progress
from vault.service_database import driver_connection, read_url


def check_declared(declaration: Declaration, scope: Scope, key: str) -> None:
    """Raise an error if a service's database cannot be backed up."""
    declaration.deployment(scope)
    service = declaration.service(scope.service)
    if not isinstance(service.database, Database):
        owner = getattr(service.database, "of", None)
        hint = f"back up that of {owner}" if owner else "declare one in its service file"
        raise ConfigurationError(f"{scope.service} has no database of its own; {hint}")
    declared = service.keys.get(key)
    if declared is None or not {"encrypt", "decrypt"} <= {*declared.allow}:
        raise ConfigurationError(
            f"{scope.service} cannot encrypt and decrypt with a key {key!r}; declare it, or pass "
            "another one with --key"
        )


def open_source(client: Client) -> Source:
    """Return the database of the service."""
    url = read_url(client)

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        address = url.render_as_string()
        engine = client.databases.engine(None, address, poolclass=NullPool)
        with driver_connection(engine) as connection, autocommit(connection):
            yield connection

    return Source(url.database or "", connect)


out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

FAULTY: Final = 2
_MAX_AGE: Final = ("1m", "3650d")


def _check_folder(folder: Path | None) -> Path | None:
    return BACKUPS.check_option(folder)  # loaded for this only, not for the help


Folder = Annotated[
    Path,
    typer.Option("--folder", help="folder of the backups", callback=_check_folder),
]


def backup_database(
    service: Service,
    env: HostEnv,
    folder: Folder,
    recipient: Recipients = None,
    keep: Annotated[
        int | None,
        build_keep_option("days; older backups are removed"),
    ] = None,
    key: Key = "pii",
    root: Root = DEFAULT_ROOT,
) -> None:
    """Back up a service's database into an encrypted file, verified by a restore."""
    target = open_target(env, root)
    scope = target.scope(service)
    if (declaration := target.checkout.find_declaration()) is not None:
        check_declared(declaration, scope, key)
    backups = BackupFolder(folder)
    with (
        _interruptible("the folder contains no unverified backup; run the command again"),
        open_service_client(target, service) as client,
        show_progress(err) as progress,
    ):
        finished = back_up(
            open_source(client),
            scope,
            client.files(key),
            backups,
            recipients=tuple(recipient or ()),
            keep=None if keep is None else timedelta(days=keep),
            progress=progress,
            now=_clock(client),
        )
    _show_backup(folder, finished)


def restore_database(
    file: Annotated[Path, typer.Argument(help="a file that backup create wrote")],
    service: Annotated[str | None, typer.Option("--service", help="the service it is of")] = None,
    env: Annotated[str | None, HOST_ENV] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="file with the URL of an empty database")
    ] = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="restore into a scratch server only, and report")
    ] = False,
    identity: Identity = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Restore a backup into an empty database, after a restore into a scratch server."""
    if (into is None) != drill or (into is not None and (service is None or env is None)):
        raise typer.BadParameter("pass either --drill, or --into with --service and --env")
    label = read_label(file)
    _check_origin(file, label, service, env)
    target = read_url_file(into) if into is not None else None
    with (
        _interruptible("a target is empty, or complete but not compared; look before you use it"),
        name_rejected(file),
        _open_cipher(open_target(label.scope.environment, root), label.scope, identity) as cipher,
        show_progress(err) as progress,
    ):
        backup = Backup(file, label, cipher, progress, identity=identity)
        if target is None:
            restored = backup.drill()
            is_new = _register(file, restored, progress)
            added = ", and is in the manifest now" if is_new else ""
            say(out, f"{file.name} can be restored{added}: {_counts(restored)}")
        else:
            restored = backup.restore_into(target)
            say(out, f"{file.name} is restored into {target.database}: {_counts(restored)}")


def backups(
    folder: Folder,
    max_age: Annotated[
        int | None,
        typer.Option(
            "--max-age",
            parser=build_duration_parser("--max-age", *_MAX_AGE),
            metavar="DURATION",
            help="age above which the newest backup of a service is a fault: 26h",
        ),
    ] = None,
) -> None:
    """List the backups of a folder, and find what is missing, cut, altered or old.

    Exit code 2 if there is something. It needs no key and no login.
    """
    age = None if max_age is None else timedelta(seconds=max_age)
    with show_progress(err) as progress:
        found = inspection.inspect(
            BackupFolder(folder), now=datetime.now(UTC), max_age=age, progress=progress
        )
    for entry in found.intact:
        say(out, f"{entry.file}  {_describe(entry)}")
    for finding in found.findings:
        show_finding(out, finding)
    if found.findings:
        raise typer.Exit(FAULTY)


@contextmanager
def _interruptible(state: str) -> Iterator[None]:
    """End the block by a signal, after the temporary files were removed."""
    try:
        with ended_by_signals():
            yield
    except KeyboardInterrupt:
        raise BackupFailed(f"interrupted; {state}") from None


@contextmanager
def _open_cipher(target: Target, scope: Scope, identity: Path | None) -> Iterator[FileCipher]:
    """Yield the cipher of a service, which needs no server if there is an *identity*."""
    if identity is not None:
        yield offline_cipher(scope)
        return
    with open_service_client(target, scope.service) as client:
        yield client.files()


def _check_origin(file: Path, label: BackupLabel, service: str | None, env: str | None) -> None:
    """Check that a backup is of the service and environment that its name and the caller name."""
    if is_backup_name(file.name) and file.name != label.file_name:
        raise RestoreRefused(
            f"{file} is the backup {label.file_name} under another name; give it its own name "
            "again, and find out who renamed it"
        )
    if service in {None, label.scope.service} and env in {None, str(label.scope.environment)}:
        return
    wanted = "-".join(each for each in (service, env) if each)
    raise RestoreRefused(f"the file is a backup of {label.scope}, not of {wanted}; pass another")


def _register(file: Path, restored: Restored, progress: Progress) -> bool:
    """Add a backup to the manifest beside it, if that has no entry of it."""
    folder = file.absolute().parent
    if file.name != restored.label.file_name or not (folder / MANIFEST).exists():
        return False
    backups = BackupFolder(folder)
    if file.name in backups.read().entries:
        return False
    return backups.register(describe(file, restored, progress, datetime.now(UTC)))


def _clock(client: Client) -> Callable[[], datetime]:
    """Return the server's clock, because one that is ahead would remove all older backups."""
    if client.settings.backend == "vault":
        return read_server_clock(client.session)
    return partial(datetime.now, UTC)


def _show_backup(folder: Path, finished: Finished) -> None:
    seconds = f"verified by a restore in {finished.restored.seconds:.1f} s"
    removed = f"; {len(finished.removed)} older removed" if finished.removed else ""
    entry = finished.entry
    say(out, f"{folder / entry.file}: {_describe(entry)}; {seconds}{removed}")


def _counts(restored: Restored) -> str:
    return f"{_size_of(restored.tables, restored.facts.rows)}, {restored.seconds:.1f} s"


def _describe(entry: Entry) -> str:
    return f"{_size_of(entry.tables, entry.rows)}, {sizes.render(entry.size)}"


def _size_of(tables: int, rows: int) -> str:
    return f"{counts.render(tables, 'table')}, {counts.render(rows, 'row')}"
