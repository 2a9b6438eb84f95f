"""Command ``python -m app_integration check``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from app_integration import settings
from app_integration._internal.cli import ArgumentParser
from app_integration.diagnosis.check import Outcome, run
from app_integration.diagnosis.leased_user import NeededUser
from app_integration.diagnosis.service import Needs, checks

FAILS: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Check the service of this process's variables; return 0 if all works, otherwise 2."""
    parsed = _parser().parse_args(arguments)
    user = NeededUser()
    needs = Needs(parsed.secrets, user if parsed.database else None, user if parsed.redis else None)
    return show(run(checks(settings.from_environment, needs)))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration check",
        description="Find the first part that does not work, in the order in which they depend.",
    )
    parser.add_argument("secrets", nargs="*", metavar="NAME", help="secrets that must have a value")
    parser.add_argument("--database", action="store_true", help="lease a database user, too")
    parser.add_argument("--redis", action="store_true", help="lease a Redis user, too")
    return parser


def show(outcomes: Iterable[Outcome]) -> int:
    """Print *outcomes* as they come, and return the exit code."""
    for outcome in outcomes:
        mark = "ok    " if outcome.remedy is None else "FAILED"
        sys.stdout.write(f"{mark} {outcome.name}: {outcome.text}\n")
        sys.stdout.flush()
        if outcome.remedy is not None:
            sys.stdout.write(f"       to do: {outcome.remedy}\n")
            return FAILS
    return 0
