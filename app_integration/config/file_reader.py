"""The bytes of a delivered file, when it may be trusted and is whole, and the data in them.

A rejection names file and line, and never what the file holds: a parser's words repeat the input.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigRejected

MAX_SIZE: Final = 1024 * 1024  # bytes

#: What the agent writes for a key that the server doesn't hold. A value that happens to read so
#: arrives escaped, so these very bytes mean a hole.
_HOLE: Final = b"<no value>"
_AT_LINE: Final = re.compile(r"\(at line (\d+)")


def read(path: Path) -> bytes:
    """The bytes of *path*, when the file is one that may be trusted and is whole.

    Raises:
        ConfigRejected: missing, readable by others, someone else's, too big, empty or cut short.

    """
    try:
        # Not blocking: opening a pipe would otherwise wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _check_file(path, os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(MAX_SIZE + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigRejected(f"{path} can't be read: {error.strerror}") from None
    _check_bytes(path, data)
    return data


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigRejected(f"{path} isn't a regular file")
    if mode := stat.S_IMODE(found.st_mode) & ~0o600:
        raise ConfigRejected(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o} ({mode:04o} too much): chmod 0600"
        )
    if found.st_uid not in {os.geteuid(), 0}:
        raise ConfigRejected(
            f"{path} belongs to user {found.st_uid}; expected {os.geteuid()} or root"
        )


def _check_bytes(path: Path, data: bytes) -> None:
    if len(data) > MAX_SIZE:
        raise ConfigRejected(f"{path} holds more than {MAX_SIZE} bytes")
    if not data.strip():
        raise ConfigRejected(f"{path} is empty")
    # JSON shows by its last bracket that it is whole; YAML and TOML cut short may still parse.
    if path.suffix != ".json" and not data.endswith(b"\n"):
        raise ConfigRejected(f"{path} doesn't end with a newline: it was written only in part")
    if _HOLE in data:
        line = data[: data.index(_HOLE)].count(b"\n") + 1
        raise ConfigRejected(
            f"{path}:{line}: <no value>: the server doesn't hold what belongs here"
        )


def parse(path: Path, data: bytes) -> object:
    """The document in *data*; the suffix of *path* tells its format.

    Raises:
        ConfigRejected: it doesn't parse.

    """
    readers = {".yaml": _yaml, ".yml": _yaml, ".json": _json, ".toml": _toml}
    reader = readers.get(path.suffix)
    if reader is None:
        raise ConfigRejected(f"{path}: a config ends in one of {', '.join(readers)}")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigRejected(f"{path}:{line}: isn't UTF-8") from None
    return reader(path, text)


def _yaml(path: Path, text: str) -> object:
    import yaml  # noqa: PLC0415 (an extra: only an application with a YAML config installs it)

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else text.count("\n")
    except (ValueError, RecursionError):  # a date that doesn't exist, or nesting without end
        line = 1
    raise ConfigRejected(f"{path}:{line}: isn't YAML from here")


def _json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = error.lineno
    except RecursionError:
        line = 1
    raise ConfigRejected(f"{path}:{line}: isn't JSON from here")


def _toml(path: Path, text: str) -> object:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n")
    raise ConfigRejected(f"{path}:{line}: isn't TOML from here")
