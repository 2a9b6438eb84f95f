"""Command ``audit archive``: rotates the server's audit logs, and keeps them encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.jobs.age_recipient import check_recipient
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import ConfigurationError
from app_integration.host_commands.options import offline_cipher
from app_integration.names import Scope
from console.commands.audit.local_server import local_logs, reload_local
from console.options import DeviceFile, HostEnv, NoKey, Recipients, Root, Service, build_keep_option
from console.target.local_folder import DEFAULT_ROOT
from console.target.service_client import open_service_client
from console.target.target import Target, open_target
from console.views.escapes import say
from vault.audit.archive.archive_run import Archived, Archiver
from vault.audit.archive.chain import ARCHIVE
from vault.audit.archive.errors import ArchiveFailed
from vault.audit.archive.live_log import LiveLog
from vault.audit.archive.reload import Reload, Reopening, parse_command, run_command
from vault.audit.archive.segment_file import SegmentWriter
from vault.declare.declaration import AUDIT_KEY, Declaration
from vault.declare.durations import whole_days

out = Console(soft_wrap=True)

ReloadCommand = Annotated[
    str | None, typer.Option("--reload", help="command that has the server open its logs again")
]
Keep = Annotated[
    int | None,
    build_keep_option("days; the declared ones by default"),
]


def _check_folder(folder: Path | None) -> Path | None:
    return ARCHIVE.check_option(folder)  # loaded for this only, not for the help


def archive(
    service: Service,
    env: HostEnv,
    folder: Annotated[
        Path,
        typer.Option("--folder", help="folder of the archive", callback=_check_folder),
    ],
    audit_log: DeviceFile = None,
    reload: ReloadCommand = None,
    recipient: Recipients = None,
    no_key: NoKey = False,
    keep: Keep = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Rotate audit logs of the server into encrypted segments, and delete old ones.

    The service's key "audit" encrypts them, which only the auditor can decrypt with.
    """
    for each in recipient or ():
        check_recipient(each)  # because the server's machine could read it by another key
    target = open_target(env, root)
    scope, declaration = target.scope(service), target.checkout.find_declaration()
    if declaration is not None:
        _check_declared(declaration, scope, needs_key=not no_key)
    if no_key and not recipient:
        raise typer.BadParameter(
            "--no-key needs a --recipient, such as age1…; otherwise nobody can decrypt"
        )
    logs, tell = _find_logs(target, audit_log or (), reload)
    if keep is None and declaration is not None:
        keep = whole_days(declaration.environment(scope.environment).vault.audit_keep)
    with _open_cipher(target, scope, no_key=no_key) as cipher:
        archiver = Archiver(
            folder,
            [LiveLog(path.absolute()) for path in logs],
            lambda: SegmentWriter(cipher.scope, cipher.new_file_key(recipient or ())),
            Reopening(tell),
            None if keep is None else timedelta(days=keep),
        )
        done = archiver.run()
    _show(folder, done)


def _check_declared(declaration: Declaration, scope: Scope, *, needs_key: bool) -> None:
    """Check that the service is declared, with a key that only an auditor can decrypt with."""
    declaration.deployment(scope)
    if needs_key and declaration.audit_key(scope.service) is None:
        raise ConfigurationError(
            f"{scope.service} has no key {AUDIT_KEY!r} with which it may only encrypt; declare it "
            f"in services/{scope.service}.yaml, or pass --no-key with a --recipient"
        )


def _find_logs(
    target: Target, paths: Sequence[Path], command: str | None
) -> tuple[Sequence[Path], Reload]:
    """Return the logs, and how the server is told; by default those of the local deployment."""
    tell = None if command is None else partial(run_command, parse_command(command))
    if (not paths or tell is None) and target.is_local:
        paths = paths or local_logs(target)
        tell = tell or partial(reload_local, target)
    if not paths or tell is None:
        raise ConfigurationError(
            "there is no log to archive; pass each file of an audit device with --audit-log, and "
            "with --reload the command "
            "that has the server open them again, such as 'systemctl reload openbao'"
        )
    return paths, tell


@contextmanager
def _open_cipher(target: Target, scope: Scope, *, no_key: bool) -> Iterator[FileCipher]:
    """Yield the cipher of the service, which needs no server without a key."""
    if no_key:
        yield offline_cipher(scope)
        return
    with open_service_client(target, scope.service) as client:
        yield client.files(AUDIT_KEY)


def _show(folder: Path, done: Archived) -> None:
    """Print what was done."""
    for segment in done.segments:
        facts = segment.facts
        say(out, f"{folder / segment.file}: {facts.lines} lines, {facts.size:,} bytes")
    for segment in done.deleted:
        say(out, f"{segment.file}: deleted, kept long enough")
    if not (done.segments or done.deleted or done.failures):
        say(out, "Nothing to archive.")
    say(out, f"head {done.head}")
    if done.failures:
        raise ArchiveFailed("\n".join(done.failures))
