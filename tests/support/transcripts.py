"""Transcripts: files of commands and of what a reader sees, which tests run again.

A line that begins with two spaces and ``$`` is a command, and ``>`` continues it. The lines below
are what it prints, and its exit code in brackets if that is not 0. Every other line is prose. All
commands of a file run in one shell. What must differ between two runs has a fixed spelling.
``UPDATE_TRANSCRIPTS=1`` writes what was printed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECONDS: Final = 120.0  # timeout of a file
_MARK: Final = "@@exit"
_COMMAND: Final = re.compile(r"^  \$ (.*(?:\n  > .*)*)$", re.MULTILINE)
_PROSE: Final = re.compile(r"^(?! ).+(?:\n(?! ).+)*", re.MULTILINE)
#: What differs between two runs, and its spelling, as long where a table may have it.
_VARYING: Final = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"\b\d{4}-\d\d-\d\d([ T])\d\d:\d\d", r"2026-01-02\g<1>03:04"),
        (r"(?<=03:04):\d\d(?:\.\d+)?", ":05"),
        (r"\b\d{4}-\d\d-\d\d(?![ T]03:04)\b", "2026-01-02"),
        (r"(?m)^\d\d:\d\d:\d\d ", "03:04:05 "),
        (r"\b\d{8}T\d{6}(?:\.\d+)?Z", "20260102T030405Z"),
        (r"\b\d+\.\d m?s\b", "0.1 s"),
        (r"\b\d+\.\d kB\b", "1.2 kB"),
        (
            r"\b(?:\d{1,3}(?:,\d{3})+|\d{3,})(?= (?:bytes|lines|new|requests|MB are|MB free)\b)",
            "1,234",
        ),
        (r"\b\d+ tables?, \d+ rows?", "1 table, 2 rows"),
        (r"/open/[\w-]+", "/open/…"),
        (r"\bv-approle-([\w-]+?)-\w{20}-\d{10}\b", r"v-approle-\g<1>-…"),
        (r"\bsr3\.[\w-]+…?", "sr3.…"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
        (r"\b[0-9a-f]{64}\b", "0" * 64),
        (r"\bpid +since", "pid   since"),
        (r"(?<=  )\d+m(?=  )", "0m"),
        (r"(?<=running  )( {5}|\d{5})  \d+ +", r"\g<1>  4242  "),
    )
)


def run_transcript(
    path: Path, folder: Path, variables: Mapping[str, str], spellings: Mapping[str, str]
) -> tuple[str, str]:
    """Run the commands of a file in *folder*, and return its text and that of this run.

    *spellings* replaces what only this run has, such as the folder.
    """
    text = path.read_text(encoding="utf-8")
    commands = [found[1].replace("\n  > ", "\n") for found in _COMMAND.finditer(text)]
    outputs = iter(_run(commands, folder, variables))
    now, was_prose = "", True
    for found in sorted([*_PROSE.finditer(text), *_COMMAND.finditer(text)], key=re.Match.start):
        is_prose = found.re is _PROSE
        now += "\n" if now and (is_prose or was_prose) else ""
        now += found[0] + ("" if is_prose else _show(*next(outputs), spellings)) + "\n"
        was_prose = is_prose
    if os.environ.get("UPDATE_TRANSCRIPTS") == "1":
        path.write_text(now, encoding="utf-8")
        return now, now
    return text, now


def _run(commands: list[str], folder: Path, variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Run *commands* in one shell, and return what each printed, and its exit code."""
    lines = [f"{command}\nprintf '\\n{_MARK} %s\\n' $?" for command in commands]
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(["exec 2>&1", *lines])],
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
        timeout=SECONDS,
    )
    parts = re.split(rf"\n{_MARK} (\d+)\n", done.stdout.decode("utf-8", "backslashreplace"))
    assert len(parts) == 2 * len(commands) + 1, f"the shell ended early: {parts[-1]}"
    return list(zip(parts[::2], parts[1::2], strict=False))


def _show(printed: str, code: str, spellings: Mapping[str, str]) -> str:
    """Return the lines below a command in their spelling."""
    for actual, spelling in spellings.items():
        printed = printed.replace(actual, spelling)
    for pattern, spelling in _VARYING:
        printed = pattern.sub(spelling, printed)
    lines = [*printed.strip("\n").split("\n"), *([f"[{code}]"] if code != "0" else [])]
    return "".join(f"\n  {line}".rstrip(" ") for line in lines if printed or line)
