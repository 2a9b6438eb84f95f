"""Carry out a plan: in waves by dependency, the changes of each wave at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Final

from app_integration.errors import StrongroomError
from app_integration.session.session import Session
from vault.reconcile.planning.dependencies import waves
from vault.reconcile.planning.plan import WORKERS, Change, Plan

#: Changes that a failure lists; of two hundred services there are thousands.
_LISTED: Final = 20


class ApplyFailed(StrongroomError):
    """A change failed; the message lists what was done before it."""


def apply(
    session: Session, plan: Plan, on_change: Callable[[Change], None], workers: int = WORKERS
) -> None:
    """Write each change of *plan*; *on_change* is called after each, from this thread.

    Every write is a plain "make it so", and values are written with check-and-set: after a failure
    or a kill, plan and apply again reach the same state.

    Args:
        session: may write.
        plan: as just made.
        on_change: told of each change that was written.
        workers: requests under way at once.

    Raises:
        ApplyFailed: a change couldn't be written; no other was begun after that.

    """
    done: list[Change] = []

    def finished(change: Change) -> None:
        done.append(change)
        on_change(change)

    with ThreadPoolExecutor(workers, "apply") as pool:
        for wave in waves(plan.changes):
            failed = _write(session, pool, wave, finished)
            if failed:
                raise ApplyFailed(_report(failed, done))


def _write(
    session: Session,
    pool: ThreadPoolExecutor,
    wave: Sequence[Change],
    finished: Callable[[Change], None],
) -> list[tuple[Change, StrongroomError]]:
    """Write all of *wave*, or up to the first that fails; gives those that failed."""
    under_way: dict[Future[None], Change] = {
        pool.submit(change.resource.write, session, change.before): change for change in wave
    }
    failed: list[tuple[Change, StrongroomError]] = []
    try:
        for future in as_completed(under_way):
            if future.cancelled():
                continue
            try:
                future.result()
            except StrongroomError as error:
                failed.append((under_way[future], error))
                _cancel(under_way)
            else:
                finished(under_way[future])
    except BaseException:
        _cancel(under_way)
        raise
    return failed


def _cancel(futures: dict[Future[None], Change]) -> None:
    for future in futures:
        future.cancel()


def _report(failed: list[tuple[Change, StrongroomError]], done: list[Change]) -> str:
    errors = "\n".join(f"{change}: {error}" for change, error in failed)
    lines = [f"  {change}" for change in done[:_LISTED]]
    if len(done) > _LISTED:
        lines.append(f"  and {len(done) - _LISTED} more")
    before = "\n".join(["done before it:", *lines]) if done else "done before it: nothing"
    return f"{errors}\n{before}\nrun apply again once that is mended"
