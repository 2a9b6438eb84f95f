"""Pytest plugin that lists the slowest files beside the slowest tests of ``--durations``.

Tests of a file share servers, so that the time of a file shows more than that of its tests.
"""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter

import pytest


class FileTimes:
    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the slowest files and the sum of all, of which workers spend several at a time."""
        total = sum(self._seconds.values())
        slowest = sorted(self._seconds.items(), key=itemgetter(1), reverse=True)
        terminalreporter.section(f"slowest {self._shown} files of {total:.0f} s")
        for file, seconds in slowest[: self._shown]:
            terminalreporter.write_line(f"{seconds:.2f}s {file}")


def pytest_configure(config: pytest.Config) -> None:
    """List the files if the slowest tests are listed; the workers of a run list nothing."""
    shown = config.getoption("durations", None)
    if shown and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FileTimes(shown))
