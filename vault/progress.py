"""Progress of a change, as the command line shows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

#: Takes a step's title and returns a context manager, which is open while the step runs.
Step = Callable[[str], AbstractContextManager[None]]
