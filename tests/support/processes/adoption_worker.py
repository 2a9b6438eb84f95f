"""Adoption of a local deployment's secret, in this process or in a child that is killed.

``python -m tests.support.processes.adoption_worker ROOT`` reads lines from standard input. Each has
an operation, and the number of reported steps after which the process is killed. It runs each in a
forked child, which kills itself, and prints the signal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from app_integration.auth.methods import AppRole
from app_integration.errors import ServerFault
from app_integration.session.session import Session
from app_integration.transport.request import Request, Response
from console.commands.start.env_files import EnvFiles
from console.target.checkout import Checkout
from console.target.environment_plan import PlanOptions, build_vault_plan
from console.target.target import open_target
from tests.support.processes.killed_steps import kill, run_lines
from vault.adoption import adopt, undo
from vault.adoption.adopt import AdoptionContext
from vault.declare.server_names import APPLY_JOB
from vault.dotenv.swap import ProgressCallback
from vault.reconcile.planning.apply import apply
from vault.reconcile.resources.ownership import Owner

NAME: Final = "database-url"
#: An operation on a context: adopt, or undo.
Act = Callable[[AdoptionContext, ProgressCallback], Any]


class FailingSession(Session):
    """A session whose write number *fail_at* raises, before or *after* it took effect."""

    def __init__(self, address: str, login: AppRole, fail_at: int, *, after: bool) -> None:
        super().__init__(address, login)
        self._left = fail_at
        self._after = after
        self.failed = False
        self._exchange = self.requests.exchange
        self.requests.exchange = self._count  # type: ignore[method-assign] # of this session

    def _count(self, request: Request, timeout: float | None = None) -> Response:
        if request.method not in {"POST", "DELETE"} or "/hmac/" in request.path:
            return self._exchange(request, timeout)
        self._left -= 1
        response = Response(204, b"")
        if self._left or self._after:
            response = self._exchange(request, timeout)
        if self._left == 0:
            self.failed = True
            raise ServerFault(f"{request.method} {request.path}: status 500, by the test")
        return response


@contextmanager
def adoption_context(root: Path, session: Session | None = None) -> Iterator[AdoptionContext]:
    """Open a context for the deployment in *root*, which delivers nothing."""
    target = open_target(root=root)
    local = target.local_deployment()
    console = Console(quiet=True)
    with (
        session or local.operator(APPLY_JOB) as operator,
        EnvFiles(target, "gaara-store", console).reader() as read,
    ):

        def apply_again() -> int:
            found = build_vault_plan(target.reread(), operator, PlanOptions())
            apply(operator, found, lambda _: None, workers=1)
            return len(found.changes)

        yield AdoptionContext(
            scope=local.service("gaara-store").scope,
            owner=Owner.of(local.declaration.environment("dev")),
            environment_file=Checkout().repository.declaration / "environments" / "dev.yaml",
            declaration=lambda: open_target(root=root).local_deployment().declaration,
            session=operator,
            apply=apply_again,
            read=read,
            deliver=lambda: None,
            grant=local.service("gaara-store").access.require_database().allow_password_changes,
            check=Checkout().repository.check,
        )


def do_adopt(context: AdoptionContext, say: ProgressCallback) -> bool:
    return adopt.adopt_secret(context, NAME, lambda *_: True, say)


def do_undo(context: AdoptionContext, say: ProgressCallback) -> Any:
    return undo.undo_adoption(context, NAME, None, say)


ACTS: Final[dict[str, Act]] = {"adopt": do_adopt, "undo": do_undo}


def _run_and_die(root: Path, line: str) -> None:
    act, kill_after = line.split()
    steps = 0

    def say(_line: str) -> None:
        nonlocal steps
        steps += 1
        if steps == int(kill_after):
            kill()

    with adoption_context(root) as context:
        ACTS[act](context, say)


if __name__ == "__main__":
    run_lines(partial(_run_and_die, Path(sys.argv[1])))
