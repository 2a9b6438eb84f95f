"""Kill of this process at one of the steps before and after its requests."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any


class Killer:
    """Counter of steps, which kills its process at the last one."""

    def __init__(self, left: int, *, only_after: bool = False) -> None:
        self._left = left
        self._only_after = only_after

    def watch(
        self, owner: object, *methods: str, counts: Callable[..., bool] = lambda *_: True
    ) -> None:
        """Count a step before and after each call of *methods* whose arguments count."""
        for name in methods:
            setattr(owner, name, self._around(getattr(owner, name), counts))

    def _around(
        self, method: Callable[..., Any], counts: Callable[..., bool]
    ) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            is_counted = counts(*arguments)
            if is_counted and not self._only_after:
                self._step()
            result = method(*arguments, **options)
            if is_counted:
                self._step()
            return result

        return run

    def _step(self) -> None:
        self._left -= 1
        if not self._left:
            kill()


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt_at(owner: Any, name: str, call: int, end: Callable[[], None]) -> None:
    """Call *end* in place of a call of a function."""
    original, calls = getattr(owner, name), count(1)

    def replaced(*arguments: Any, **options: Any) -> Any:
        if next(calls) == call:
            end()
        return original(*arguments, **options)

    setattr(owner, name, replaced)


def run_killed(run: Callable[[], object]) -> bool:
    """Run *run* in a child that may be killed, and return whether it ended before."""
    code = _run_in_child(run)
    assert code <= 0
    return code == 0


def run_lines(run: Callable[[str], object]) -> None:
    """Run each line of standard input in a child, and print the signal that has killed it."""
    for line in sys.stdin:
        sys.stdout.write(f"{-_run_in_child(partial(run, line))}\n")
        sys.stdout.flush()


def _run_in_child(run: Callable[[], object]) -> int:
    child = os.fork()
    if not child:
        try:
            run()
        except BaseException:  # noqa: BLE001 (its parent sees only the status)
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
