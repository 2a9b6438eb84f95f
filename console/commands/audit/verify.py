"""Command ``audit verify``: proves that no segment of an archive is missing, cut or changed."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from console.options import ENV, Identity, KeyService, Root, build_keep_option
from console.target.audit_logs.auditor_keys import Origin, open_unwrap, read_origin
from console.target.local_folder import DEFAULT_ROOT
from console.views.escapes import say, show_finding
from vault.audit.archive.entry import Deletion
from vault.audit.archive.verification import Verification
from vault.audit.archive.verification import verify as verify_archive
from vault.declare import counts
from vault.declare.durations import whole_days

FAULTY: Final = 2
_HASH: Final = re.compile(r"[0-9a-f]{64}")

out = Console(soft_wrap=True)


def _parse_head(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise typer.BadParameter(f"--head {text} is no hash; copy the 64 digits after 'head'")
    return text


Head = Annotated[
    str | None,
    typer.Option(
        "--head", parser=_parse_head, metavar="HASH", help="head of a former run, kept elsewhere"
    ),
]
Keep = Annotated[
    int | None,
    build_keep_option(
        "days that each deletion must have waited for; the declared ones of --env by default"
    ),
]


def verify(
    folder: Annotated[Path, typer.Argument(help="folder of the archive")],
    head: Head = None,
    service: KeyService = None,
    env: Annotated[str | None, ENV] = None,
    identity: Identity = None,
    keep: Keep = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Check that no segment of an archive is missing, cut or changed.

    Exit code 2 if one is. Without a key it compares the files with the chain.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder; name that of the archive")
    origin = read_origin(service, env, root)
    with ExitStack() as stack:
        unwrap = None
        if origin is not None or identity is not None:
            unwrap = stack.enter_context(open_unwrap(origin, identity))
        found = verify_archive(
            folder,
            now=datetime.now(UTC),
            head=head,
            keep=keep or _promised_days(origin),
            scope=origin.scope if origin else None,
            unwrap=unwrap,
        )
    _show(found, is_decrypted=unwrap is not None)
    if found.findings:
        raise typer.Exit(FAULTY)


def _promised_days(origin: Origin | None) -> int:
    """Return the days that the environment of *origin* declares, 1 without one."""
    return 1 if origin is None else whole_days(origin.target.declared.vault.audit_keep)


def _show(found: Verification, *, is_decrypted: bool) -> None:
    for finding in found.findings:
        # Who can write the folder chooses the names of files.
        show_finding(out, finding)
    lines = sum(segment.facts.lines for segment in found.kept)
    checked = f"{found.decrypted} decrypted" if is_decrypted else "not decrypted"
    segments = counts.render(len(found.kept), "segment")
    say(out, f"{segments}, {counts.render(lines, 'line')}; {checked}")
    for deletion in found.chain.deletions:
        count = len(deletion.segments)
        say(out, f"{count} deleted on {deletion.time:%Y-%m-%d}, after {deletion.keep_days} days")
    if found.chain.entries and isinstance(found.chain.entries[-1], Deletion):
        say(out, "The last deletion is not confirmed by a later segment yet.")
    say(out, f"head {found.chain.head}")
