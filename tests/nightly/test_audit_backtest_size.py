"""Backtest over 1 and 3 million lines: linear, and in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.audit import run_ingest, write_log

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

SIZES = (1_000_000, 3_000_000)
#: Part by which the time for a line may grow with the log.
GROWTH = 1.5
MEMORY = 2**20  # KiB

_CHILD = """
import json, resource, sys, time
from datetime import date, datetime
from pathlib import Path
from app_integration.mounts import Mounts
from vault.audit.anomalies.backtest import backtest
from vault.audit.anomalies.patterns import build_names
from vault.audit.anomalies.queries import RuleContext
from vault.audit.anomalies.requests import create_requests
from vault.audit.anomalies.rules_reader import built_in
from vault.audit.store import open_store
context = RuleContext(built_in(), build_names("dev", "strongroom", Mounts()), "", date(2026, 5, 1))
started = time.perf_counter()
with open_store(Path(sys.argv[1])) as connection:
    span = create_requests(connection, context)
    trials = [*backtest(connection, context, span, datetime(2000, 1, 1))]
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, memory, span.count, len(trials)]))
"""


def test_backtest_is_linear_and_takes_less_than_a_gibibyte(tmp_path: Path) -> None:
    found = []
    for size in SIZES:
        folder = tmp_path / str(size)
        folder.mkdir()
        log = folder / "audit-1.log"
        write_log(log, size)
        run_ingest(log, folder / "store")
        log.unlink()
        command = [sys.executable, "-c", _CHILD, str(folder / "store")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
        found.append(json.loads(done.stdout))
    (small, _, fewer, trials), (large, memory, more, _) = found
    assert trials == 20
    assert more > 2.5 * fewer
    assert memory < MEMORY
    assert large / more < GROWTH * small / fewer
