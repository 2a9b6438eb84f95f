"""Command ``audit read``: prints the log in the segments of an archive."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app_integration.errors import DecryptionFailed
from console.options import ENV, Identity, KeyService, Root
from console.target.audit_logs.auditor_keys import open_unwrap, read_origin
from console.target.local_folder import DEFAULT_ROOT
from vault.audit.archive.errors import SegmentDamaged
from vault.audit.archive.segment_file import read_segment_file
from vault.audit.ingest.source import find_log_files


def read(
    files: Annotated[list[Path], typer.Argument(help="segments of an archive, or its folder")],
    service: KeyService = None,
    env: Annotated[str | None, ENV] = None,
    identity: Identity = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Print the lines of segments, as the server has written them.

    Each part is printed when it was verified. Use the output only if the exit code is 0.
    """
    origin = read_origin(service, env, root)
    with open_unwrap(origin, identity) as unwrap:
        for path in find_log_files(files):
            try:
                for piece in read_segment_file(path, unwrap):
                    sys.stdout.buffer.write(piece)
            except (DecryptionFailed, SegmentDamaged) as error:
                sys.stdout.buffer.flush()
                raise SegmentDamaged(
                    f"{path.name}: {error}; check its archive with strongroom audit verify"
                ) from None
    sys.stdout.buffer.flush()
