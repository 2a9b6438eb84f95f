"""One command at a time on a deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app_integration._internal import private_file
from app_integration.errors import StrongroomError
from vault.runtime.layout import Layout


class Busy(StrongroomError):
    """Another command is starting, stopping or erasing this deployment."""


class Lock:
    """The lock of one deployment, its file in ``run/``."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._held = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other commands off the deployment; entered again inside, it changes nothing.

        Raises:
            Busy: another command is at it.

        """
        if self._held:
            yield
            return
        self._layout.create()
        with ExitStack() as stack:
            try:
                stack.enter_context(private_file.lock(self._layout.run / "lock", wait=False))
            except BlockingIOError:
                raise Busy(
                    f"another command is at work on {self._layout.root}; wait until it is done"
                ) from None
            self._held = True
            try:
                yield
            finally:
                self._held = False
