"""Progress of a run, as a program gets it: the stages that it enters, and its passes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from migration.stage import Stage

# Imported when a migration is opened, because ``import migration`` loads this module.
if TYPE_CHECKING:
    from migration.passes.passes import PassKind
    from migration.passes.ranges import PassProgress
    from migration.passes.work_reports import Rest

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        stage: The stage that the migration is in; None before the first one.
        kind: The pass over the rows that runs; None if the stage was just entered.
        rows: Rows that the pass has done, by all workers.
        rest: Rows to come and the workers; None until they are known.
        held: Why this worker waits; None if it works.

    """

    stage: Stage | None
    kind: PassKind | None = None
    rows: int = 0
    rest: Rest | None = None
    held: str | None = None


class ProgressWatch:
    """What a worker tells about its passes, as calls of one function."""

    def __init__(self, call: Callable[[RunProgress], object], stage: Stage | None) -> None:
        """Begin in *stage*."""
        self._call = call
        self._last = RunProgress(stage)

    def enter(self, stage: Stage) -> None:
        """Tell that *stage* was entered."""
        self._tell(RunProgress(stage))

    def begin(self, kind: PassKind) -> None:
        """Begin a pass."""
        self._last = RunProgress(self._last.stage, kind)

    def show(self, progress: PassProgress) -> None:
        """Tell how far the pass is."""
        self._tell(replace(self._last, rows=progress.rows))

    def show_rest(self, rest: Rest) -> None:
        """Tell how fast the workers are, and what is left."""
        self._tell(replace(self._last, rest=rest))

    def show_hold(self, reason: str | None) -> None:
        """Tell why the worker waits; None if it works."""
        if reason != self._last.held:
            self._tell(replace(self._last, held=reason))

    def warn(self, message: str) -> None:
        """Log what a person should know."""
        _log.warning("%s", message)

    def _tell(self, progress: RunProgress) -> None:
        self._last = progress
        self._call(progress)
