"""Search of files for secrets in all encodings, by grep."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app_integration._internal.private_file import write_private

WINDOW: Final = 32  # bytes; of a longer value, each part of this length is searched
BLOCK: Final = WINDOW // 2
#: Ending of the files with searched texts.
NEEDLES: Final = ".needles"


def windows(value: bytes) -> Iterator[bytes]:
    """Yield *value*, or each part of :data:`WINDOW` bytes of a longer value."""
    for start in range(max(1, len(value) - WINDOW + 1)):
        yield value[start : start + WINDOW]


def blocks(value: bytes) -> Iterator[bytes]:
    """Yield few parts of *value*, one of which is inside each of its :func:`windows`."""
    if len(value) <= WINDOW:
        yield value
    for start in range(BLOCK, len(value) - BLOCK + 1, BLOCK) if len(value) > WINDOW else ():
        yield value[start : start + BLOCK]


def forms(value: bytes) -> Iterator[str]:
    """Yield the encodings of *value*: plain, escaped, hexadecimal, and base64 at any offset."""
    text = value.decode(errors="ignore")
    yield from (
        text,
        json.dumps(text)[1:-1],
        quote(text, safe=""),
        value.hex(),
        value.hex().upper(),
    )
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            encoded = encode(b"x" * before + value).decode()
            yield encoded[-(-before * 4 // 3) : (before + len(value)) * 4 // 3]


class SecretSearch:
    """Search for secrets and for parts of long ones."""

    def __init__(self, folder: Path, values: Collection[str]) -> None:
        """Encode *values*, which are written to private files in *folder* for each search."""
        self.texts = _encode(values, windows)
        self._folder = folder
        self._blocks = _encode(values, blocks)

    def find(self, files: Sequence[Path]) -> Iterator[str]:
        """Yield the places of the texts in *files*, as ``file:line``.

        They are searched in lines with a block only, because ten thousands of texts take grep many
        times as long as the blocks.
        """
        if not (self.texts and files):
            return
        found = [line.split(b":", 2) for line in self._grep(self._blocks, files)]
        if not found:
            return
        lines = self._folder / f"lines{NEEDLES}"
        write_private(lines, b"".join(line + b"\n" for _, _, line in found))
        try:
            for match in self._grep(self.texts, [lines], "-o"):
                file, number, _ = found[int(match.split(b":", 2)[1]) - 1]
                yield f"{file.decode()}:{number.decode()}"
        finally:
            lines.unlink()

    def _grep(self, texts: Collection[str], files: Sequence[Path], *options: str) -> list[bytes]:
        """Return what grep prints of *files*: ``file:number:line``, or the match instead."""
        needles = self._folder / f"all{NEEDLES}"
        write_private(needles, "\n".join(sorted(texts)) + "\n")
        command = ["grep", *options, "-aHnFf", str(needles), *map(str, files)]
        try:
            done = subprocess.run(command, capture_output=True, check=False, env={"LC_ALL": "C"})
        finally:
            needles.unlink()
        if done.returncode not in {0, 1}:
            raise OSError(f"grep failed: {done.stderr.decode()}")
        return done.stdout.split(b"\n")[:-1]


def _encode(values: Collection[str], split: Callable[[bytes], Iterator[bytes]]) -> set[str]:
    return {form for value in values for part in split(value.encode()) for form in forms(part)}
