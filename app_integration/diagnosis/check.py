"""Checks in order: each needs what the ones before it found to work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

#: Returns a line about what works, and raises :class:`Broken` otherwise.
Check = Callable[[], str]


class Broken(Exception):
    """A part that does not work. The problem contains no secret."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one check; *remedy* is None if the part works."""

    name: str
    text: str
    remedy: str | None = None


def run(checks: Iterable[tuple[str, Check]]) -> Iterator[Outcome]:
    """Yield the outcome of each check, until one finds something that does not work."""
    for name, check in checks:
        try:
            yield Outcome(name, check())
        except Broken as broken:
            yield Outcome(name, broken.problem, broken.remedy)
            return
