"""Apply a plan: wave by wave in order of dependency, the changes of one wave concurrently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Final

from app_integration.errors import StrongroomError
from vault.reconcile.planning.dependencies import group_into_waves
from vault.reconcile.planning.plan import WORKERS, Change, Plan

#: Maximum number of changes in the message of a failure: two hundred services have thousands.
_MAX_LISTED: Final = 20


class ApplyFailed(StrongroomError):
    """A failed change; the message lists the changes that were written before it."""


def apply(
    session: Any, plan: Plan, on_change: Callable[[Change], None], workers: int = WORKERS
) -> None:
    """Write each change of *plan*, and call *on_change* in this thread after each.

    After a failure no further change begins. Every write sets a whole state, and values are written
    with check-and-set, so that another plan and apply then reach the same state.
    """
    if obstacles := plan.obstacles:
        raise ApplyFailed(_report(obstacles, [])) from obstacles[0][1]
    done: list[Change] = []

    def on_written(change: Change) -> None:
        done.append(change)
        on_change(change)

    with ThreadPoolExecutor(workers, "apply") as pool:
        for wave in group_into_waves(plan.changes):
            failures = _write(session, pool, wave, on_written)
            if failures:
                raise ApplyFailed(_report(failures, done)) from failures[0][1]


def _write(
    session: Any,
    pool: ThreadPoolExecutor,
    wave: Sequence[Change],
    on_written: Callable[[Change], None],
) -> list[tuple[Change, StrongroomError]]:
    """Write the changes of *wave* up to the first failure, and return the failed ones."""
    futures: dict[Future[None], Change] = {
        pool.submit(change.resource.write, session, change.before): change for change in wave
    }
    failures: list[tuple[Change, StrongroomError]] = []
    try:
        for future in as_completed(futures):
            if future.cancelled():
                continue
            try:
                future.result()
            except StrongroomError as error:
                failures.append((futures[future], error))
                _cancel(futures)
            else:
                on_written(futures[future])
    except BaseException:
        _cancel(futures)
        raise
    return failures


def _cancel(futures: dict[Future[None], Change]) -> None:
    for future in futures:
        future.cancel()


def _report(failures: list[tuple[Change, StrongroomError]], done: list[Change]) -> str:
    errors = "\n".join(f"{change}: {error}" for change, error in failures)
    lines = [f"  {change}" for change in done[:_MAX_LISTED]]
    if len(done) > _MAX_LISTED:
        lines.append(f"  and {len(done) - _MAX_LISTED} more")
    before = "\n".join(["done before it:", *lines]) if done else "done before it: nothing"
    return f"{errors}\n{before}\nfix this, then run the command again"
