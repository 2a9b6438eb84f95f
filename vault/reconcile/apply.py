"""Carry out a plan, in its order."""

from __future__ import annotations

from collections.abc import Callable

from app_integration.errors import StrongroomError
from app_integration.session import Session
from vault.reconcile.plan import Change, Plan


class ApplyFailed(StrongroomError):
    """A change failed; the message lists what was done before it."""


def apply(session: Session, plan: Plan, on_change: Callable[[Change], None]) -> None:
    """Write each change of *plan*; *on_change* is called after each.

    Every write is a plain "make it so", and values are written with check-and-set: after a failure
    or a kill, plan and apply again reach the same state.

    Raises:
        ApplyFailed: a change couldn't be written; those before it are done.
    """
    done: list[Change] = []
    for change in plan.changes:
        try:
            change.resource.write(session, change.before)
        except StrongroomError as error:
            raise ApplyFailed(_report(change, error, done)) from None
        done.append(change)
        on_change(change)


def _report(change: Change, error: StrongroomError, done: list[Change]) -> str:
    before = "; ".join(map(str, done)) or "nothing"
    return f"{change}: {error}\ndone before it: {before}\nrun apply again once that is mended"
