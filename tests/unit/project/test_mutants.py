"""The judge of mutants, and its floors."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

from tests.support.mutants import FLOORS, LEAST, below, share, tally

ROOT = Path(__file__).parents[3]
LINES = [
    "    vault.reconcile.planning.plan.x_make_plan__mutmut_1: killed",
    "    vault.reconcile.planning.plan.x_make_plan__mutmut_2: survived",
    "    vault.reconcile.planning.plan.xǁPlanǁcount__mutmut_1: timeout",
    "    vault.reconcile.planning.plan.x__difference__mutmut_1: no tests",
    "    app_integration.names.x_environment__mutmut_1: killed",
    "To show a mutant: mutmut show",
]


def test_mutants_are_counted_by_module() -> None:
    assert tally(LINES) == {
        "vault.reconcile.planning.plan": Counter(
            killed=1, survived=1, timeout=1, **{"no tests": 1}
        ),
        "app_integration.names": Counter(killed=1),
    }


def test_one_that_no_test_reaches_counts_as_unnoticed() -> None:
    assert share(tally(LINES)["vault.reconcile.planning.plan"]) == 50


def test_below_its_floor_or_without_one_a_module_fails() -> None:
    found = tally(LINES)
    assert below(found, {"app_integration.names": 90, "agent.backoff": 90}) == [
        "agent.backoff: no mutants; is it listed in pyproject.toml?",
        "vault.reconcile.planning.plan: has no floor in mutants.json",
    ]
    floors = {"app_integration.names": 100, "vault.reconcile.planning.plan": 40}
    assert below(found, floors) == ["vault.reconcile.planning.plan: 50.0 % noticed, floor 40 %"]


def test_every_listed_module_has_a_floor_of_at_least_the_least() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
    floors = json.loads(FLOORS.read_text())
    paths = [f"{name.replace('.', '/')}.py" for name in floors]
    assert all(any(fnmatch(path, each) for each in listed) for path in paths)
    assert all(any(fnmatch(path, each) for path in paths) for each in listed)
    assert min(floors.values()) >= LEAST
