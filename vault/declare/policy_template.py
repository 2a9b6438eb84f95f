"""Policy template of a team, which replaces one of the tool's.

Its first line has the digest of the template that it replaced, so that a team learns when an
upgrade of the tool changed that one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from vault.declare.errors import FileError, join_names, suggest
from vault.declare.server_names import DEVELOPER, JOBS

#: Names of the tool's templates: those of services, of people and jobs, and of a scoped apply role.
NAMES: Final = ("apply-scoped", DEVELOPER, "service", "starter", *JOBS)
#: What the name of the file ends with, after the name of the template.
SUFFIX: Final = ".hcl.j2"

_BASE_LINE: Final = re.compile(r"# base: (sha256:[0-9a-f]{64})\r?")


@dataclass(frozen=True, slots=True)
class PolicyTemplate:
    """A template of a repository; *base* is the digest of the tool's that it replaced."""

    file: str
    base: str
    text: str


def digest(content: bytes) -> str:
    """Return the digest of a template, as :func:`base_line` contains it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def base_line(base: str) -> str:
    """Return the first line of a file that replaces the template with the digest *base*."""
    return f"# base: {base}"


def parse(file: str, name: str, content: bytes) -> PolicyTemplate | FileError:
    """Return the template in *content*, or the error of its name or of its first line."""
    if name not in NAMES:
        near = suggest(name, NAMES)
        hint = f"; did you mean '{near}{SUFFIX}'?" if near else ""
        what = f"the file replaces no policy of the tool (expected {join_names(NAMES)}{hint})"
        return FileError(file, 1, what)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return FileError(file, line, "the file has a byte that is not UTF-8 (expected UTF-8)")
    found = _BASE_LINE.fullmatch(text.partition("\n")[0])
    if found is None:
        expected = f"{base_line('sha256:…')!r} with the digest of the template that it replaces"
        hint = f"compare with: strongroom policies diff {name}"
        hint += f", then add it with: strongroom policies override {name} --accept"
        return FileError(file, 1, f"the first line is another one (expected {expected}; {hint})")
    return PolicyTemplate(file, found[1], text)
