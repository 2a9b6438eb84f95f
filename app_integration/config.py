"""The file that was delivered: read it, refuse it, notice its replacement.

A rejection names the file, the fields and the kind of error, and never what the file holds. The
words of a parser or of pydantic repeat the input, so they are dropped.
"""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from app_integration import metrics, settings
from app_integration.errors import ConfigRejected, ConfigurationError, DeadlineExceeded

log = logging.getLogger(__name__)

MAX_SIZE = 1024 * 1024  # bytes
CHECK_INTERVAL = 1.0  # seconds between two looks at the file

#: What the agent writes for a key that the server doesn't hold. A value that happens to read so
#: arrives escaped, so these very bytes mean a hole.
_HOLE = b"<no value>"
_AT_LINE = re.compile(r"\(at line (\d+)")


class Model(Protocol):
    """A pydantic model, or anything else that makes itself from parsed data."""

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """The model made from *obj*; raises when *obj* doesn't fit."""
        ...


M = TypeVar("M", bound=Model)


def load_config(model: type[M], path: Path | None = None) -> M:
    """The delivered config at *path* (``STRONGROOM_CONFIG`` when None) as *model*.

    Raises:
        ConfigRejected: the file is missing, readable by others, too big, cut short, or its
            content doesn't fit; the reason names fields, never values.
        ConfigurationError: neither *path* nor ``STRONGROOM_CONFIG`` is given.
    """
    path = _default_path() if path is None else path
    return validate(model, read(path), path)


def read(path: Path) -> bytes:
    """The bytes of *path*, when the file is one that may be trusted and is whole.

    Raises:
        ConfigRejected: as :func:`load_config`.
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


def validate(model: type[M], data: bytes, path: Path) -> M:
    """*data* as *model*; *path* gives the format by its suffix and is named in errors.

    Raises:
        ConfigRejected: *data* doesn't parse, or doesn't fit *model*.
    """
    document = _parse(path, data)
    try:
        return model.model_validate(document)
    except DeadlineExceeded:
        raise
    except Exception as error:  # noqa: BLE001 (a model's own validators may raise anything)
        fields = _fields(error)
    raise ConfigRejected(f"{path} doesn't fit {model.__name__}: {fields}")


class ConfigFile(Generic[M]):
    """A delivered config that follows its file. Thread-safe.

    A replacement takes effect once it has been validated; one that is refused is logged, kept in
    :attr:`rejected`, and changes nothing.

    Attributes:
        rejected: why the newest file isn't in effect; None when it is.
    """

    def __init__(
        self,
        model: type[M],
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the file; raises as :func:`load_config`. *clock* in seconds, monotonic."""
        self.path = _default_path() if path is None else path
        self.rejected: ConfigRejected | None = None
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = _signature(self.path)
        self._current = load_config(model, self.path)
        self._looked = clock()

    def current(self) -> M:
        """The config in effect; looks at the file at most once per :data:`CHECK_INTERVAL`."""
        with self._lock:
            now = self._clock()
            if now - self._looked >= CHECK_INTERVAL:
                self._looked = now
                self._follow()
            return self._current

    def _follow(self) -> None:
        signature = _signature(self.path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._current = load_config(self._model, self.path)
            self.rejected = None
            metrics.current().rotation("config", self.path.name)
            log.info("config %s was replaced and is in effect", self.path)
        except ConfigRejected as rejected:
            self.rejected = rejected
            log.warning("config stays as it was: %s", rejected)


def _default_path() -> Path:
    path = settings.from_environment().config_file
    if path is None:
        raise ConfigurationError(
            "STRONGROOM_CONFIG is not set; it names the file that the agent delivers"
        )
    return path


def _signature(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


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


def _parse(path: Path, data: bytes) -> object:
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


def _fields(error: Exception) -> str:
    """Field names and error types, as in ``jwt.secret (string_too_short)``."""
    describe = getattr(error, "errors", None)
    if not callable(describe):
        return f"the model raised {type(error).__name__}"
    parts = (
        f"{'.'.join(map(str, each['loc'])) or 'the document'} ({each['type']})"
        for each in describe(include_url=False, include_context=False, include_input=False)
    )
    return ", ".join(parts)
