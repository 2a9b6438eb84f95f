"""Printing of reports, and charts of them."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from console.views.cells import shorten, stack
from console.views.charts import HEIGHT, build_bars, build_timeline, build_timelines
from console.views.report import MAX_ROWS, coverage_lines, show_report
from tests.support.models.audit_lines import line, program, secret, write_store
from tests.support.models.audit_report import report

KV: dict[str, Any] = {"mount_type": "kv", "mount_point": "secret/"}
SHOP = program("shop-dev", "web-1")


#: Of which ``|`` continues a line.
EXPECTED_COVERAGE = """
The logs have lines from 2026-05-01 00:00:00Z to 2026-05-09 00:00:00Z, of 2 devices: a, b.
They have none from 2026-04-01 00:00:00Z, when the period begins, until then.
The devices do not have the same number of responses: a 2, b 1.
No line from 2026-05-01 00:00:00Z to 2026-05-01 03:00:00Z and from 2026-05-02 00:00:00Z to|
2026-05-02 03:00:00Z, and others of more than an hour: no request was sent, or lines are missing.
4 requests of the namespace team are not in the report.
1 damaged line in /log:
  line 7: torn
Damage in /segment:
  line 3: altered
"""


def read(path: str = "secret/data/shop/dev/jwt", **fields: Any) -> dict[str, Any]:
    return line(path, auth=SHOP, response=secret(1), **{**KV, **fields})


def printed(document: dict[str, Any]) -> str:
    out = io.StringIO()
    show_report(Console(file=out, soft_wrap=True, width=80), document)
    return out.getvalue()


def test_report_escapes_names_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    many = [read(f"secret/data/shop/dev/n{number}") for number in range(MAX_ROWS + 2)]
    hostile = read("secret/data/\x1b[31m\x07[red]\N{RIGHT-TO-LEFT OVERRIDE}", remote_address="\r")
    text = printed(report(write_store(tmp_path, [*many, hostile])))
    assert "23 requests of 1 actors in dev: 23 reads" in text
    assert "... and 3 more; --json has them" in text
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    text = printed(report(write_store(tmp_path / "one", [hostile])))
    assert "secret/data/\\x1b[31m\\x07[red]\\u202e" in text


def test_report_says_how_many_refusals_of_its_own_records_it_leaves_out(tmp_path: Path) -> None:
    own = line("secret/metadata/_strongroom/dev/rotation/secret/x", auth=SHOP, **KV)
    text = printed(report(write_store(tmp_path, [own, read()])))
    assert "Refused requests: none" in text
    assert "Refused requests: Without 1 for Strongroom's own records, which --json has." in text
    assert "_strongroom/" not in text


def test_coverage_names_what_is_missing() -> None:
    devices = [{"device": "a", "responses": 2}, {"device": "b", "responses": 1}]
    silences = [
        {"first": f"2026-05-0{day}T00:00:00.000Z", "last": f"2026-05-0{day}T03:00:00.000Z"}
        for day in (1, 2, 3)
    ]
    logs = [
        {
            "files": ["/log"],
            "damaged": 1,
            "damage": [{"line": 7, "offset": 9, "reason": "torn"}],
        },
        # The end of a file is no line.
        {
            "files": ["/segment"],
            "damaged": 0,
            "damage": [{"line": 3, "offset": 5, "reason": "altered"}],
        },
        {"files": ["/whole"], "damaged": 0, "damage": []},
    ]
    coverage = {
        "first": "2026-05-01T00:00:00.000Z",
        "last": "2026-05-09T00:00:00.000Z",
        "devices": devices,
        "silences": silences,
        "logs": logs,
        "other_namespaces": [{"namespace": "team", "requests": 4}],
    }
    lines = coverage_lines({"since": "2026-04-01T00:00:00Z", "coverage": coverage})
    assert "\n".join(lines) == EXPECTED_COVERAGE.strip().replace("|\n", " ")


def test_timeline_has_each_hour_or_day_and_stacks_to_its_height(tmp_path: Path) -> None:
    times = ("2026-05-01T00:30:00Z", "2026-05-01T00:40:00Z", "2026-05-01T03:00:00Z")
    lines = [read(time=time) for time in times]
    lines.append(line("secret/data/x", time=times[0], auth=SHOP, **KV))
    requests, refused = build_timelines(report(write_store(tmp_path, lines)))
    assert requests.rows == (
        ("2026-05-01 00:00Z", (2, 0, 1)),
        ("2026-05-01 01:00Z", (0, 0, 0)),
        ("2026-05-01 02:00Z", (0, 0, 0)),
        ("2026-05-01 03:00Z", (1, 0, 0)),
    )
    label, rectangles = requests.columns[0]
    assert label == "2026-05-01 00:00Z: reads 2, refused 1"
    assert sum(each.height for each in rectangles) == HEIGHT
    assert min(each.y for each in rectangles) == 0
    assert (refused.title, refused.top) == ("Refused requests by hour", 1)
    later = read(time="2026-05-04T01:00:00Z")
    requests, _ = build_timelines(report(write_store(tmp_path, [later])))
    assert [label for label, _ in requests.rows] == [f"2026-05-0{day}" for day in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("days", "ticks"),
    [
        (1, [(50, "middle")]),
        (2, [(25, "middle"), (75, "middle")]),
        (3, [(16.67, "middle"), (50, "middle"), (83.33, "middle")]),
        (5, [(0, "start"), (50, "middle"), (100, "end")]),
    ],
)
def test_label_of_an_axis_is_below_its_column(days: int, ticks: list[tuple[float, str]]) -> None:
    values = {f"2026-05-0{day}T00:00:00Z": (1,) for day in range(1, days + 1)}
    chart = build_timeline("c", "Reads", (("reads", "read"),), values, timedelta(days=1))
    assert [(each.place, each.anchor) for each in chart.ticks] == ticks


def test_bars_are_the_most_read_values(tmp_path: Path) -> None:
    other = "secret/data/\x07"
    lines = [read(), read(), read(other)]
    bars = build_bars(report(write_store(tmp_path, lines)))
    assert bars.rows == [
        ("shop/dev jwt", stack([("read", 2)], 2), 2),
        ("secret/data/\\x07", stack([("read", 1)], 2), 1),
    ]


def test_list_is_shortened() -> None:
    assert shorten([1, 2, 3, 4]) == "1\N{EN DASH}4"
    assert shorten([1, 2]) == "1, 2"
    assert shorten([1, 3, 4]) == "1, 3, 4"
    assert shorten(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert shorten([]) == ""
