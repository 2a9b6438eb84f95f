"""Reading and parsing of a delivered file.

An error names the file and the line, and never its content, because the message of a parser repeats
the input.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Final

from app_integration._internal.extras import extra_named
from app_integration.config import versions_line
from app_integration.config.file_access import FileAccess
from app_integration.config.versions_line import Rendered
from app_integration.errors import ConfigRejected

MAX_SIZE: Final = 1024 * 1024  # bytes

#: The text that the agent writes for a key that the server does not hold. A value that happens to
#: be this text is delivered in escaped form, so that these bytes always mean a missing value.
_MISSING_VALUE: Final = b"<no value>"
_AT_LINE: Final = re.compile(r"\(at line (\d+)")


def read(path: Path, access: FileAccess) -> bytes:
    """Return the bytes of *path* after checking that the file is private and complete.

    Raises ConfigRejected if it is not, or is missing, empty or larger than :data:`MAX_SIZE`.
    """
    data = _read_bytes(path, access, MAX_SIZE + 1)
    _check_bytes(path, data)
    return data


def read_rendered(path: Path, access: FileAccess) -> Rendered:
    """Return what the agent rendered, after the checks of :func:`read`.

    The size and the number of a line in an error are those without it, as in the live file.
    """
    data = _read_bytes(path, access, MAX_SIZE + versions_line.MAX_LINE + 1)
    rendered = versions_line.split(data)
    _check_bytes(path, rendered.data)
    return rendered


def _read_bytes(path: Path, access: FileAccess, size: int) -> bytes:
    """Return the first *size* bytes of *path* after checking that the file is private."""
    try:
        # Non-blocking, because opening a pipe would otherwise wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            access.check_file(path, os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigRejected(
            f"{path} cannot be read: {error.strerror}; check the path and its mode"
        ) from None


def _check_bytes(path: Path, data: bytes) -> None:
    if len(data) > MAX_SIZE:
        raise ConfigRejected(f"{path} has more than {MAX_SIZE} bytes; name a config file")
    if not data.strip():
        raise ConfigRejected(f"{path} is empty; wait for its delivery, or write it again")
    # JSON is exempt because its last bracket shows that it is complete, whereas truncated YAML or
    # TOML may still parse.
    if path.suffix != ".json" and not data.endswith(b"\n"):
        raise ConfigRejected(
            f"{path} does not end with a newline, so it was only partly written; write it again"
        )
    if _MISSING_VALUE in data:
        line = data[: data.index(_MISSING_VALUE)].count(b"\n") + 1
        raise ConfigRejected(
            f"{path}:{line}: <no value>: the server holds no value for this place; write the secret"
        )


def parse(path: Path, data: bytes) -> object:
    """Return the document in *data*; the suffix of *path* selects the format."""
    readers = {".yaml": _yaml, ".yml": _yaml, ".json": _json, ".toml": _toml}
    reader = readers.get(path.suffix)
    if reader is None:
        raise ConfigRejected(
            f"{path}: unknown config format (expected a name that ends in {', '.join(readers)})"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigRejected(f"{path}:{line}: invalid UTF-8; write it as UTF-8") from None
    return reader(path, text)


def _yaml(path: Path, text: str) -> object:
    with extra_named():
        import yaml  # noqa: PLC0415 (an extra: only an application with a YAML config installs it)

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else text.count("\n")
    except (ValueError, LookupError, AttributeError, RecursionError):
        line = 1  # a date that does not exist, a tag that its value does not fit, or deep nesting
    raise ConfigRejected(f"{path}:{line}: invalid YAML; correct its template")


def _json(path: Path, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = error.lineno
    except (ValueError, RecursionError):  # a number of too many digits, or too deep nesting
        line = 1
    raise ConfigRejected(f"{path}:{line}: invalid JSON; correct its template")


def _toml(path: Path, text: str) -> object:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n")
    raise ConfigRejected(f"{path}:{line}: invalid TOML; correct its template")
