"""Lock that admits one command at a time to a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app_integration._internal import private_file
from app_integration.errors import StrongroomError
from local import folder_format
from local.layout import Layout


class Busy(StrongroomError):
    """A deployment that another command is starting, stopping or erasing."""


class Lock:
    """Lock of one deployment, whose file is in ``run/``."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._is_locked = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Lock the deployment against other commands. The lock is reentrant.

        It does not exclude other threads of this process.
        """
        if self._is_locked:
            yield
            return
        folder_format.check(self._layout)
        self._layout.create()
        with ExitStack() as stack:
            try:
                stack.enter_context(private_file.lock(self._layout.run / "lock", wait=False))
            except BlockingIOError:
                raise Busy(
                    f"another command is at work on {self._layout.root}; wait until it is done"
                ) from None
            self._is_locked = True
            try:
                yield
            finally:
                self._is_locked = False
