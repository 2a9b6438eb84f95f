"""Check of mutation results, and its floors."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

from tests.support.mutants import FLOORS, LEAST, find_failures, share, tally

ROOT = Path(__file__).parents[3]
LINES = [
    "    vault.reconcile.planning.plan.x_make_plan__mutmut_1: killed",
    "    vault.reconcile.planning.plan.x_make_plan__mutmut_2: survived",
    "    vault.reconcile.planning.plan.xǁPlanǁcount__mutmut_1: timeout",
    "    vault.reconcile.planning.plan.x__difference__mutmut_1: no tests",
    "    app_integration.names.x_environment__mutmut_1: killed",
    "To show a mutant: mutmut show",
]


def test_tally_counts_results_by_module() -> None:
    assert tally(LINES) == {
        "vault.reconcile.planning.plan": Counter(
            killed=1, survived=1, timeout=1, **{"no tests": 1}
        ),
        "app_integration.names": Counter(killed=1),
    }


def test_share_counts_an_untested_mutant_as_survived() -> None:
    assert share(tally(LINES)["vault.reconcile.planning.plan"]) == 50


def test_find_failures_lists_modules_below_or_without_a_floor() -> None:
    found = tally(LINES)
    assert find_failures(found, {"app_integration.names": 90, "agent.supervisor.health": 90}) == [
        "agent.supervisor.health: no mutants; list the module in pyproject.toml",
        "vault.reconcile.planning.plan: no floor; add one to mutants.json",
    ]
    floors = {"app_integration.names": 100, "vault.reconcile.planning.plan": 40}
    assert find_failures(found, floors) == [
        "vault.reconcile.planning.plan: 50.0 % killed, floor 40 %"
    ]


def test_every_listed_module_has_a_sufficient_floor() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
    matched = {each: {path.relative_to(ROOT) for path in ROOT.glob(each)} for each in listed}
    modules = {path for paths in matched.values() for path in paths if path.stem != "__init__"}
    floors = json.loads(FLOORS.read_text())
    assert {Path(f"{name.replace('.', '/')}.py") for name in floors} == modules
    assert all(matched.values())
    assert min(floors.values()) >= LEAST
