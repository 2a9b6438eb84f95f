"""The file that was delivered: read it, refuse it, notice its replacement.

A rejection names the file, the fields and the kind of error, and never what the file holds. The
words of a parser or of pydantic repeat the input, so they are dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from app_integration import settings
from app_integration._internal import fork_safety
from app_integration._internal.private_file import stamp
from app_integration.config.file_reader import parse, read
from app_integration.errors import ConfigRejected, ConfigurationError, DeadlineExceeded
from app_integration.observability import metrics

log = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0  # seconds between two looks at the file


class Model(Protocol):
    """A pydantic model, or anything else that makes itself from parsed data."""

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """The model made from *obj*; raises when *obj* doesn't fit."""
        ...


M = TypeVar("M", bound=Model)
#: Told the names of the fields that changed.
OnChange = Callable[[frozenset[str]], None]


def load_config(model: type[M], path: Path | None = None) -> M:
    """The delivered config at *path* (``STRONGROOM_CONFIG`` when None) as *model*.

    Raises:
        ConfigRejected: the file is missing, readable by others, too big, cut short, or its
            content doesn't fit; the reason names fields, never values.
        ConfigurationError: neither *path* nor ``STRONGROOM_CONFIG`` is given.

    """
    path = _default_path() if path is None else path
    return validate(model, read(path), path)


def validate(model: type[M], data: bytes, path: Path) -> M:
    """*data* as *model*; *path* gives the format by its suffix and is named in errors.

    Raises:
        ConfigRejected: *data* doesn't parse, or doesn't fit *model*.

    """
    document = parse(path, data)
    try:
        return model.model_validate(document)
    except DeadlineExceeded:
        raise
    except Exception as error:  # noqa: BLE001 (a model's own validators may raise anything)
        fields = describe(error)
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
        self._watchers: list[OnChange] = []
        self.reset_after_fork()
        fork_safety.reset_in_child(self)
        self._seen = stamp(self.path)
        self._current = load_config(model, self.path)
        self._looked = clock()

    def reset_after_fork(self) -> None:
        """A fresh lock; the config in effect is as good in a forked child."""
        self._lock = threading.Lock()

    def on_change(self, tell: OnChange) -> None:
        """Have *tell* called with the names of the changed fields, once they are in effect."""
        self._watchers.append(tell)

    def look(self) -> None:
        """Look at the file now, and tell of a change."""
        with self._lock:
            self._looked = self._clock()
            changed = self._follow()
        self._tell(changed)

    def current(self) -> M:
        """The config in effect; looks at the file at most once per :data:`CHECK_INTERVAL`."""
        if self._clock() - self._looked >= CHECK_INTERVAL:
            self.look()
        return self._current

    def _follow(self) -> frozenset[str]:
        """Take up the file if it was replaced; gives the names of the fields that changed."""
        signature = stamp(self.path)
        if signature == self._seen:
            return frozenset()
        before, self._seen = self._seen, signature
        try:
            replaced, self._current = self._current, load_config(self._model, self.path)
        except DeadlineExceeded as late:
            # A validator of the model asked somebody: that says nothing of the file.
            self._seen = before
            log.warning("config stays as it was, and is looked at again: %s", late)
            return frozenset()
        except ConfigRejected as rejected:
            self.rejected = rejected
            log.warning("config stays as it was: %s", rejected)
            return frozenset()
        self.rejected = None
        metrics.current().rotation("config", self.path.name)
        changed = changed_fields(replaced, self._current)
        names = ", ".join(sorted(changed)) or "nothing"
        log.info("config %s was replaced and is in effect; changed: %s", self.path, names)
        return changed

    def _tell(self, changed: frozenset[str]) -> None:
        for tell in self._watchers if changed else ():
            try:
                tell(changed)
            except Exception as error:  # noqa: BLE001 (one callback must not keep the next from knowing)
                log.error("telling of a changed config failed: %s", type(error).__name__)  # noqa: TRY400 (its text may hold a value)


def changed_fields(old: object, new: object, prefix: str = "") -> frozenset[str]:
    """Dotted names of the fields in which two models differ: ``smtp.password``; no values.

    Keys of a dict aren't named, since they come from the file.
    """
    fields = getattr(type(old), "model_fields", None)
    if type(old) is not type(new) or fields is None:
        return frozenset() if old == new else frozenset({prefix or "the document"})
    found: set[str] = set()
    for name in fields:
        inner = f"{prefix}.{name}" if prefix else name
        found |= changed_fields(getattr(old, name), getattr(new, name), inner)
    return frozenset(found)


def _default_path() -> Path:
    path = settings.from_environment().config_file
    if path is None:
        raise ConfigurationError(
            "STRONGROOM_CONFIG is not set; it names the file that the agent delivers"
        )
    return path


def describe(error: Exception) -> str:
    """Field names and error types, as in ``jwt.secret (string_too_short)``."""
    errors = getattr(error, "errors", None)
    try:
        found = errors(include_url=False, include_context=False, include_input=False)  # type: ignore[misc] # any exception may have an attribute of that name
        return ", ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the document'} ({each['type']})"
            for each in found
        )
    except (TypeError, KeyError):
        return f"the model raised {type(error).__name__}"
