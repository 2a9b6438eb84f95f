"""Command ``logs read``: encrypted logs, as their auditor reads them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.observability.log_reader import LogReader
from console.options import ENV, Identity, KeyService, Root
from console.target.audit_logs.auditor_keys import open_unwrap, read_origin
from console.target.local_folder import DEFAULT_ROOT
from console.views.escapes import escape_unprintable, say

INCOMPLETE: Final = 2
POLL_INTERVAL: Final = 0.5  # seconds

app = typer.Typer(no_args_is_help=True, help="Encrypted logs of services.")
err = Console(stderr=True, soft_wrap=True)


@app.callback()
def group() -> None:
    """Keep ``read`` a subcommand, although it is the only one."""


@app.command()
def read(
    paths: Annotated[list[Path], typer.Argument(help="files, or folders of files")],
    follow: Annotated[
        bool, typer.Option("--follow", help="go on with new records until interrupted")
    ] = False,
    service: KeyService = None,
    env: Annotated[str | None, ENV] = None,
    identity: Identity = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Print the verified records of encrypted logs, one a line, in the order of their times.

    Exit code 2 if something is missing, altered or cut off. It is reported on standard error.
    """
    origin = read_origin(service, env, root)
    with open_unwrap(origin, identity) as unwrap:
        reader = LogReader(paths, unwrap, _report, origin.scope if origin else None)
        show(reader.read())
        if follow:
            follow_new(reader, time.sleep)
        else:
            show(reader.read_new())  # because a writer may have been within a record
        reader.finish()
    if reader.has_fault:
        raise typer.Exit(INCOMPLETE)


def follow_new(reader: LogReader, sleep: Callable[[float], None]) -> None:
    """Print new records until the command is interrupted."""
    try:
        while True:
            show(reader.read_new())
            sleep(POLL_INTERVAL)
    except KeyboardInterrupt:
        return


def show(records: Iterable[bytes]) -> None:
    """Print each record as one line."""
    for record in records:
        sys.stdout.write(f"{as_line(record)}\n")
    sys.stdout.flush()


def as_line(record: bytes) -> str:
    r"""Return a record as one line, in which a line break is ``\n``.

    So no record can look like two, nor control the terminal.
    """
    return escape_unprintable(record.decode("utf-8", "backslashreplace"), keep="\t")


def _report(sentence: str) -> None:
    say(err, sentence)
