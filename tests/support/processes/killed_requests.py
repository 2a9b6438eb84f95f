"""Runs that are killed after each of their writing requests, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app_integration.auth.methods import StaticToken
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.support.processes.killed_steps import Killer, run_killed

#: Ends of the paths that are posted to, and change nothing.
READS = ("/lookup", "/lookup-accessor")


def kill_after_each_request(
    address: str, token: Secret, run: Callable[[Session], object], check: Callable[[int], None]
) -> int:
    """Run *run* in child processes, each killed one writing request later than the one before."""

    def run_until(request: int) -> None:
        session = Session(address, StaticToken(token))
        killer = Killer(request, only_after=True)
        killer.watch(session, "post", "delete", counts=lambda path, *_: not path.endswith(READS))
        run(session)

    for count in range(1, 100):
        if run_killed(partial(run_until, count)):
            return count - 1
        check(count)
    raise AssertionError("the run has no end")
