"""Runs that are killed after each of their writing requests, one after the other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from app_integration.auth.methods import StaticToken
from app_integration.secret import Secret
from app_integration.session.session import Session

#: Ends of the paths that are posted to, and change nothing.
READS = ("/lookup", "/lookup-accessor")


class KillingSession(Session):
    """A session that kills its own process after a number of writing requests."""

    left: int

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        response = super().post(path, body, **options)
        if not path.endswith(READS):
            self._count()
        return response

    def delete(self, path: str) -> None:
        super().delete(path)
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_after_each_request(
    address: str, token: Secret, run: Callable[[Session], object], check: Callable[[int], None]
) -> int:
    """Run *run* in child processes, each killed one writing request later than the one before."""
    for count in range(1, 100):
        child = os.fork()
        if not child:
            _run_and_exit(address, token, run, count)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return count - 1
        check(count)
    raise AssertionError("the run has no end")


def _run_and_exit(
    address: str, token: Secret, run: Callable[[Session], object], count: int
) -> None:
    code = 1
    try:
        session = KillingSession(address, StaticToken(token))
        session.left = count
        run(session)
        code = 0
    finally:
        os._exit(code)
