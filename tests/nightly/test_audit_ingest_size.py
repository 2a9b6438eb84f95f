"""Ingest of 1, 3 and 10 million lines: near a scan's speed, linear, and in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.audit import write_log

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

SIZES = (1_000_000, 3_000_000, 10_000_000)
TURNS = 3
SHARE = 0.6
#: Part by which the time for a line may grow with the log.
GROWTH = 1.3
MEMORY = 2**20  # KiB

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from benchmarks.audit import run_ingest, scan
log, store, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
started = time.perf_counter()
scan(log) if what == "scan" else run_ingest(log, store)
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def _run(log: Path, what: str) -> tuple[float, int]:
    """Return the seconds and the KiB of memory that a process took."""
    command = [sys.executable, "-c", _CHILD, str(log), str(log.parent / "store"), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def test_ingest_is_linear_and_near_the_speed_of_a_scan_in_bounded_memory(tmp_path: Path) -> None:
    log, per_line = tmp_path / "audit-1.log", {}
    for lines in SIZES:
        write_log(log, lines)
        turns = [(_run(log, "scan"), _run(log, "ingest")) for _ in range(TURNS)]
        scanned = min(seconds for (seconds, _), _ in turns)
        ingested = min(seconds for _, (seconds, _) in turns)
        memory = max(memory for _, (_, memory) in turns)
        speed = log.stat().st_size / ingested / 1e6
        sys.stderr.write(
            f"\n{lines:,} lines: {speed:.0f} MB/s, {scanned / ingested:.0%} of a scan, "
            f"{memory // 1024} MiB\n"
        )
        assert scanned / ingested >= SHARE
        assert memory <= MEMORY
        per_line[lines] = ingested / lines
        log.unlink()
    # Not the other way round, because other load on the machine may have slowed the first.
    assert max(per_line.values()) <= GROWTH * per_line[SIZES[0]]
