"""Loading, validation and reloading of a delivered config file.

An error names the file, the fields and the kind of error, and never a value. The messages of a
parser or of pydantic repeat the input, so they are dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from app_integration import settings
from app_integration._internal import fork_safety
from app_integration._internal.callbacks import check_callback
from app_integration._internal.private_file import Stamp, stamp
from app_integration.config.delivery_status import read_status, status_file
from app_integration.config.file_access import FileAccess
from app_integration.config.file_reader import parse, read
from app_integration.config.file_versions import LoadedVersions
from app_integration.errors import ConfigRejected, ConfigurationError, DeadlineExceeded
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder


class DeliveryMetrics:
    """Recorder of the last delivery to one live file. Not thread-safe."""

    def __init__(self, live: Path) -> None:
        """Record nothing yet."""
        self._live = live
        self._seen: tuple[Stamp | None, Recorder] | None = None

    def record(self) -> None:
        """Record the status of the last delivery, if it or the recorder has changed.

        A status that this process may not read, or that is invalid, records nothing.
        """
        seen = stamp(status_file(self._live)), metrics.get_recorder()
        if seen == self._seen:
            return
        self._seen = seen
        status = read_status(self._live)
        if status is None:
            return
        with suppress(ValueError, TypeError):  # of a time that no delivery has written
            delivered = datetime.fromisoformat(status.when).timestamp()
            seen[1].record_delivery(self._live.name, delivered, is_live=status.state.is_live)


log = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0  # seconds between two checks of the file


class Model(Protocol):
    """A pydantic model, or another class with pydantic's ``model_validate``."""

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """Return the model of *obj*; raise any exception if *obj* is invalid."""
        ...


M = TypeVar("M", bound=Model)
#: A callback that takes the dotted names of the fields that changed.
OnChange = Callable[[frozenset[str]], None]


def load_config(model: type[M], path: str | Path | None = None) -> M:
    """Return the delivered config. See :func:`app_integration.load_config`."""
    file = _find_file(path)
    return validate(model, read(file, FileAccess.from_environment()), file)


def validate(model: type[M], data: bytes, path: Path) -> M:
    """Return *data* as an instance of *model*."""
    document = parse(path, data)
    try:
        return model.model_validate(document)
    except DeadlineExceeded:
        raise
    except Exception as error:  # noqa: BLE001 (a model's own validators may raise anything)
        fields = describe_invalid_fields(error)
    raise ConfigRejected(f"{path} is not valid for {model.__name__}: {fields}; correct that")


class ConfigFile(Generic[M]):
    """A delivered config that is reloaded when its file is replaced. Thread-safe.

    A new file takes effect once it has been validated. An invalid one is logged and kept in
    :attr:`rejected`, and the config stays as it was.

    Attributes:
        rejected: Reason why the newest file is not in effect; None if it is.

    """

    def __init__(
        self,
        model: type[M],
        path: str | Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the file. Raises the errors of :func:`load_config`.

        Args:
            model: A pydantic model class.
            path: The file; None for the one that ``STRONGROOM_CONFIG`` names.
            clock: Monotonic, in seconds.

        """
        self.path = _find_file(path)
        self.rejected: ConfigRejected | None = None
        self._model = model
        self._clock = clock
        self._watchers: list[OnChange] = []
        self._versions = LoadedVersions(self.path)
        self._deliveries = DeliveryMetrics(self.path)
        self.reset_after_fork()
        fork_safety.reset_in_child(self)
        self._loaded_stamp = stamp(self.path)
        self._current = self._load()
        self._record()
        self._checked_at = clock()

    def reset_after_fork(self) -> None:
        """Recreate the lock. The config itself stays valid in a forked child."""
        self._lock = threading.Lock()

    def on_change(self, callback: OnChange) -> None:
        """Call *callback* with the names of changed fields after each change has taken effect.

        Raises:
            ConfigurationError: If *callback* is no plain function.

        """
        check_callback(callback)
        self._watchers.append(callback)

    def reload_if_replaced(self) -> None:
        """Check the file now, reload it if it was replaced, and notify the callbacks."""
        with self._lock:
            self._checked_at = self._clock()
            changed = self._reload_if_replaced()
            self._record()
        self._notify(changed)

    def current(self) -> M:
        """Return the config in effect; check the file at most once per :data:`CHECK_INTERVAL`."""
        if self._clock() - self._checked_at >= CHECK_INTERVAL:
            self.reload_if_replaced()
        return self._current

    def _reload_if_replaced(self) -> frozenset[str]:
        """Reload the file if it was replaced; return the names of the fields that changed."""
        found = stamp(self.path)
        if found == self._loaded_stamp:
            return frozenset()
        before, self._loaded_stamp = self._loaded_stamp, found
        try:
            replaced, self._current = self._current, self._load()
        except DeadlineExceeded as error:
            # A validator of the model sent a request that timed out, which says nothing about the
            # file. Restore the stamp, so that the next check reads the file again.
            self._loaded_stamp = before
            log.warning("the config is unchanged, will check the file again: %s", error)
            return frozenset()
        except ConfigRejected as rejected:
            self.rejected = rejected
            log.warning("the config is unchanged because the new file is invalid: %s", rejected)
            return frozenset()
        self.rejected = None
        metrics.get_recorder().record_rotation("config", self.path.name)
        changed = changed_fields(replaced, self._current)
        names = ", ".join(sorted(changed)) or "nothing"
        log.info("config %s was replaced and is now in effect; changed: %s", self.path, names)
        return changed

    def _record(self) -> None:
        self._versions.record()
        self._deliveries.record()

    def _load(self) -> M:
        """Return the config in the file; see :func:`load_config`."""
        data = read(self.path, FileAccess.from_environment())
        config = validate(self._model, data, self.path)
        self._versions.set_loaded(data)
        return config

    def _notify(self, changed: frozenset[str]) -> None:
        for callback in self._watchers if changed else ():
            try:
                callback(changed)
            except Exception as error:  # noqa: BLE001 (one callback must not prevent the next)
                log.error("a callback for a changed config failed: %s", type(error).__name__)  # noqa: TRY400 (its text may hold a value)


def changed_fields(old: object, new: object, prefix: str = "") -> frozenset[str]:
    """Return the dotted names of the fields in which two models differ, such as ``smtp.password``.

    The names contain no values. Keys of a dict are not named, because they come from the file.
    """
    fields = getattr(type(old), "model_fields", None)
    if type(old) is not type(new) or fields is None:
        return frozenset() if old == new else frozenset({prefix or "the document"})
    found: set[str] = set()
    for name in fields:
        inner = f"{prefix}.{name}" if prefix else name
        found |= changed_fields(getattr(old, name), getattr(new, name), inner)
    return frozenset(found)


def _find_file(path: str | Path | None) -> Path:
    """Return *path*; for None the file that ``STRONGROOM_CONFIG`` names."""
    if path is not None:
        return Path(path)
    configured = settings.from_environment().config_file
    if configured is None:
        raise ConfigurationError(
            "STRONGROOM_CONFIG is not set; set it to the path of the file that the agent delivers"
        )
    return configured


def describe_invalid_fields(error: Exception) -> str:
    """Return field names and error types, as in ``jwt.secret (string_too_short)``."""
    errors = getattr(error, "errors", None)
    try:
        found = errors(include_url=False, include_context=False, include_input=False)  # type: ignore[misc] # any exception may have an attribute of that name
        return ", ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the document'} ({each['type']})"
            for each in found
        )
    except (TypeError, KeyError):
        return f"the model raised {type(error).__name__}"
