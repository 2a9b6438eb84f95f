"""Decisions about variables that the operator passes in advance."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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

    def kind(self, variable: str) -> Kind | None:
        """Return the kind that was chosen for *variable*, or None if there is no choice."""
        return next((kind for kind, chosen in self.by_kind().items() if variable in chosen), None)


def check_choices(
    choices: Choices, path: Path, variables: Collection[str], declared: Collection[str]
) -> None:
    """Check that each choice is about one variable that exists.

    Args:
        choices: The decisions.
        path: The file, for the error.
        variables: Names in the file. Only these can be skipped.
        declared: Further names of variables, which an earlier import has taken out of the file.

    Raises:
        ConfigurationError: If a choice names no variable, or contradicts another one.

    """
    for (kind, chosen), (other, chosen_too) in combinations(choices.by_kind().items(), 2):
        if chosen & chosen_too:
            both = join_names(chosen & chosen_too)
            raise ConfigurationError(
                f"--{kind} and --{other} are both passed for {both}; pass one of them"
            )
    _check_exist(choices.skipped, path, variables)
    _check_exist(choices.secrets | choices.settings, path, {*variables, *declared})


def _check_exist(chosen: Collection[str], path: Path, variables: Collection[str]) -> None:
    for name in sorted(set(chosen) - set(variables)):
        forms = {each.lower(): each for each in variables}
        near = suggest(name, forms)
        hint = f"; did you mean {forms[near]}?" if near else ""
        raise ConfigurationError(f"{path} sets no variable {name!r}{hint}")
