"""Branch coverage: which tests are measured, of which packages, and how the table adds it up."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from coverage import Coverage

from tests.support.branch_coverage import UnitTestsOnly
from tests.support.coverage_table import count, list_missing

ROOT: Final = Path(__file__).parents[3]


def result(statements: int, branches: int, lines: int, ways: int) -> dict[str, Any]:
    """Return a file's result as coverage.py reports it; *lines* and *ways* were reached."""
    summary = {"num_statements": statements, "num_branches": branches}
    return {"summary": {**summary, "covered_lines": lines, "covered_branches": ways}}


FILES: Final = {
    "vault/a.py": result(10, 4, 8, 1),
    "vault/b/c.py": result(4, 0, 0, 0),
    "agent/d.py": result(2, 0, 2, 0),
}


def test_count_adds_the_files_of_a_package() -> None:
    assert [str(row) for row in count(FILES)] == [
        "agent                     2         0   100.0 %",
        "vault                    14         4    50.0 %",
        "all                      16         4    55.0 %",
    ]


def test_count_of_nothing_is_a_row() -> None:
    assert [str(row) for row in count({})] == ["all                       0         0     0.0 %"]


def test_list_missing_names_lines_ways_out_and_whole_functions() -> None:
    files = {
        "agent/d.py": {"missing_lines": [], "missing_branches": [], "functions": {}},
        "vault/a.py": {
            "missing_lines": [8, 9],
            "missing_branches": [[7, 8], [3, -1]],
            "functions": {
                "": {"executed_lines": [], "missing_lines": [8]},
                "run": {"executed_lines": [3], "missing_lines": []},
                "stop": {"executed_lines": [], "missing_lines": [8, 9]},
                "an_overload": {"executed_lines": [], "missing_lines": []},
            },
        },
    }
    assert list(list_missing(files)) == ["vault/a.py: 8, 9, 3->exit", "    stop"]


def test_each_package_of_the_product_is_measured() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    product = {*tool["importlinter"]["root_packages"]} - {"examples"}
    assert {*tool["coverage"]["run"]["source_pkgs"]} == product


class Recorder:
    """Coverage that only remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start(self) -> None:
        self.asked.append("start")

    def stop(self) -> None:
        self.asked.append("stop")


def test_only_unit_tests_without_the_mark_are_measured() -> None:
    recorder = Recorder()
    plugin = UnitTestsOnly(cast(Coverage, recorder))

    def run(folder: str, mark: str | None = None) -> list[str]:
        """Return what is asked of coverage.py before a test in *folder*."""
        before, path = len(recorder.asked), ROOT / "tests" / folder / "test_a.py"
        item = SimpleNamespace(path=path, get_closest_marker={mark: mark}.get)
        next(plugin.pytest_runtest_protocol(cast(pytest.Item, item)))
        return recorder.asked[before:]

    assert run("unit/agent") == []
    assert run("unit/agent", "untraced") == ["stop"]
    assert run("integration") == []
    assert run("unit/project") == []
    assert run("unit") == ["start"]
