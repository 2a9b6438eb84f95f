"""Printed result of a copy of secrets, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app_integration.errors import ConfigurationError
from aws.secret_copy.comparison import Comparison, State

#: States of a secret that the target has as the source has it.
_COPIED: Final = "copied"
_REPLACED: Final = "replaced"
_EQUAL: Final = {str(State.EQUAL), _COPIED, _REPLACED}


@dataclass
class CopyReport:
    """What was found, and what was written since."""

    environment: str
    source: str
    target: str
    places: Mapping[str, str]
    found: Sequence[Comparison]
    replace: bool
    _written: dict[str, str] = field(default_factory=dict, init=False)

    @property
    def refused(self) -> list[Comparison]:
        """Return the secrets that prevent every write."""
        states = {State.REFUSED} if self.replace else {State.REFUSED, State.DIFFERENT}
        return [each for each in self.found if each.state in states]

    @property
    def to_write(self) -> list[Comparison]:
        """Return the secrets to write, in order."""
        return [each for each in self.found if each.state in {State.MISSING, State.DIFFERENT}]

    @property
    def different(self) -> list[Comparison]:
        """Return the secrets that have another value on the target."""
        return [each for each in self.found if each.state is State.DIFFERENT]

    def note_written(self, comparison: Comparison) -> str:
        """Note that a secret was written and read back, and return its line."""
        state = _COPIED if comparison.state is State.MISSING else _REPLACED
        self._written[comparison.secret.path] = state
        return f"{comparison.secret.path}: {state}"

    def lines(self) -> list[str]:
        """Return what was found: a line for the move, and one for each secret."""
        ends = [f"{name} ({self.places[name]})" for name in (self.source, self.target)]
        return [
            f"{self.environment}, {' to '.join(ends)}",
            *(self._line(each) for each in self.found),
        ]

    def _line(self, comparison: Comparison) -> str:
        path, state = comparison.secret.path, comparison.state
        if state is State.DIFFERENT:
            hint = "to be replaced" if self.replace else "--replace replaces it"
            return f"{path}: different on {self.target}; {hint}"
        if state is State.MISSING:
            return f"{path}: missing on {self.target}"
        return f"{path}: {state}: {comparison.reason}" if comparison.reason else f"{path}: {state}"

    def summary(self, *, is_dry: bool) -> str:
        """Return how many are equal now, and how many of them were, or would be, written."""
        equal = f"{self._count_equal()} of {len(self.found)} secrets equal"
        if is_dry:
            return f"{equal}, {len(self.to_write)} to write"
        return f"{equal}, {len(self._written)} of them written now"

    def _count_equal(self) -> int:
        return sum(self._state(each) in _EQUAL for each in self.found)

    def check(self) -> None:
        """Raise an error if a secret must not be copied."""
        if refused := self.refused:
            raise ConfigurationError(
                f"{len(refused)} of {len(self.found)} secrets cannot be copied, and nothing was "
                "written; mend what is named above"
            )

    def document(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "environment": self.environment,
            "from": self.source,
            "to": self.target,
            "places": {**self.places},
            "equal": self._count_equal(),
            "secrets": [
                {"name": each.secret.path, "state": self._state(each), "reason": each.reason}
                for each in self.found
            ],
        }

    def _state(self, comparison: Comparison) -> str:
        return self._written.get(comparison.secret.path, str(comparison.state))
