"""Pytest plugin that decides which tests coverage.py watches.

coverage.py starts with each process while ``COVERAGE_PROCESS_START`` names its configuration,
before anything of the product is imported. Its tracer takes nearly as long as the traced code. So
tests outside of tests/unit run without it, and so do the commands that tests start, unless
``MEASURE`` is "all".
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

_START: Final = "COVERAGE_PROCESS_START"
_UNIT: Final = Path(__file__).parents[1] / "unit"
#: Its tests mostly read texts, and walk through syntax trees, which a tracer slows down most.
_PROJECT: Final = _UNIT / "project"


class UnitTestsOnly:
    """Pauses coverage.py before each test that is not to be measured."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._runs = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure the tests of tests/unit that run the product, and do not compare its times."""
        runs_product = _UNIT in item.path.parents and _PROJECT not in item.path.parents
        self._let_run(runs_product and not item.get_closest_marker("untraced"))
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Save what was measured, because pytest-xdist kills a process that takes 10 s to end."""
        self._let_run(False)
        self._coverage.save()

    def _let_run(self, runs: bool) -> None:
        if runs != self._runs:
            (self._coverage.start if runs else self._coverage.stop)()
            self._runs = runs


def pytest_configure(config: pytest.Config) -> None:
    """Take over coverage.py, if it was started, in a process that runs tests."""
    if _START not in os.environ or getattr(config.option, "numprocesses", None):
        return
    from coverage import Coverage  # noqa: PLC0415 (a plain run does without)

    coverage = Coverage.current()
    if coverage is not None and os.environ.get("MEASURE") != "all":
        del os.environ[_START]
        config.pluginmanager.register(UnitTestsOnly(coverage))
