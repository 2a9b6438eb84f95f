"""Checks in order: each needs what the ones before it found to work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

#: Returns a line about what works, and raises :class:`Broken` otherwise.
Check = Callable[[], str]


class Broken(Exception):
    """A part that does not work.

    Attributes:
        problem: The problem. It contains no secret.
        remedy: What to do, such as a command.

    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one check.

    Attributes:
        name: Of the part, such as ``login``.
        text: What works, or the problem.
        remedy: What to do; None if the part works.

    """

    name: str
    text: str
    remedy: str | None = None


def run(checks: Iterable[tuple[str, Check]]) -> Iterator[Outcome]:
    """Yield the outcome of each check, until one finds something that does not work.

    Args:
        checks: Name and check of each part, in order.

    """
    for name, check in checks:
        try:
            yield Outcome(name, check())
        except Broken as broken:
            yield Outcome(name, broken.problem, broken.remedy)
            return
