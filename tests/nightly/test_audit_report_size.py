"""Report over 10 million lines of two devices: in bounded memory, and each request once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.support.models.audit_lines import line, parquet_name, program, secret, write_store
from tests.support.models.audit_report import JWT, KV

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

REQUESTS = 2_500_000  # two lines each, of two devices
FILES = 10
HOSTS = 100
MEMORY = 2**20  # KiB
SECONDS = 120

_CHILD = """
import json, resource, sys, time
from pathlib import Path
from tests.support.models.audit_report import report
started = time.perf_counter()
document = report(Path(sys.argv[1]))
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, memory, document["totals"], len(document["reads"])]))
"""


def write_large_store(store: Path) -> None:
    """Write files with copies of a read by each host, over the days of May."""
    reads = [
        line(
            JWT,
            kind=kind,
            id=f"{host:032}",
            auth=program("shop-dev", f"web-{host}", f"t{host}"),
            response=secret(1) if kind == "response" else None,
            **KV,
        )
        for host in range(HOSTS)
        for kind in ("request", "response")
    ]
    write_store(store, reads)
    (model,) = (store / "events").glob("*.parquet")
    copies = REQUESTS // FILES // HOSTS
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'")
        for device in ("audit-1", "audit-2"):
            for number in range(FILES):
                connection.execute(f"""
                    COPY (
                        SELECT lines.* REPLACE (
                            '{device}' AS device,
                            CAST(md5(concat(request_id, '-{number}-', copy)) AS UUID) AS request_id,
                            CAST(TIMESTAMP '2026-05-01' + to_seconds((copy * {FILES} + {number})
                                * 2592000 // {copies * FILES}) AS TIMESTAMP_NS) AS time)
                        FROM '{model}' AS lines CROSS JOIN range({copies}) AS copies(copy)
                    ) TO '{model.parent}/{parquet_name(int(device[-1]) * FILES + number)}'
                """)
    model.unlink()


def test_report_of_ten_million_lines_is_right_in_bounded_memory(tmp_path: Path) -> None:
    write_large_store(tmp_path)
    command = [sys.executable, "-c", _CHILD, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    seconds, memory, totals, rows = json.loads(done.stdout)
    sys.stderr.write(f"\n{4 * REQUESTS:,} lines: {seconds:.1f} s, {memory // 1024} MiB\n")
    assert (totals["requests"], totals["reads"], rows) == (REQUESTS, REQUESTS, HOSTS)
    assert memory <= MEMORY
    assert seconds <= SECONDS
