"""Decisions about variables that the operator passes in advance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from app_integration.errors import ConfigurationError
from vault.declare.errors import join_names, suggest
from vault.dotenv.classify import Kind


@dataclass(frozen=True, slots=True)
class Choices:
    """Decisions that the operator passed in advance, by name of the variable in the file."""

    secrets: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()

    def by_kind(self) -> Mapping[Kind, frozenset[str]]:
        """Return the variables of each kind."""
        return {
            Kind.SECRET: self.secrets,
            Kind.SETTING: self.settings,
            Kind.SKIP: self.skipped,
        }

    @property
    def all(self) -> frozenset[str]:
        """Return the variables that the operator has decided about."""
        return self.secrets | self.settings | self.skipped

    def kind(self, variable: str) -> Kind | None:
        """Return the kind that was chosen for *variable*, or None if there is no choice."""
        return next((kind for kind, chosen in self.by_kind().items() if variable in chosen), None)


def check_choices(
    choices: Choices, path: Path, variables: Collection[str], declared: Collection[str]
) -> None:
    """Check that each choice is about one variable that exists."""
    twice = [
        f"--{kind} and --{other} are both passed for {join_names(chosen & chosen_too)}; "
        "pass one of them"
        for (kind, chosen), (other, chosen_too) in combinations(choices.by_kind().items(), 2)
        if chosen & chosen_too
    ]
    absent = {
        *_describe_absent(choices.skipped, path, variables),
        *_describe_absent(choices.secrets | choices.settings, path, {*variables, *declared}),
    }
    if problems := [*twice, *sorted(absent)]:
        raise ConfigurationError("\n".join(problems))


def _describe_absent(
    chosen: Collection[str], path: Path, variables: Collection[str]
) -> Iterator[str]:
    for name in set(chosen) - set(variables):
        forms = {each.lower(): each for each in variables}
        near = suggest(name, forms)
        hint = f"; did you mean {forms[near]}?" if near else ""
        yield f"{path} sets no variable {name!r}{hint}"
