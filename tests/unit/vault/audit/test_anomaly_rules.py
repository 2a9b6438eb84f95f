"""Rules of anomalies: the built-in file, a team's own, patterns and working hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app_integration.mounts import Mounts
from vault.audit.anomalies.detection import is_outside
from vault.audit.anomalies.patterns import build_expression, build_names
from vault.audit.anomalies.queries import QUERIES
from vault.audit.anomalies.rules_reader import BUILT_IN, NAMES, built_in, read_rules
from vault.audit.store import quote
from vault.declare import load
from vault.declare.errors import DeclarationError
from vault.declare.schema.anomalies import OutOfHours


def left_out(model: BaseModel, place: str = "") -> Iterator[str]:
    """Yield each key that a file leaves out."""
    for name, value in model:
        if value is None:
            yield f"{place}{name}"
        elif isinstance(value, BaseModel):
            yield from left_out(value, f"{place}{name}.")


def read(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "anomalies.yaml"
    file.write_text(text, encoding="utf-8")
    return read_rules(file)


def test_built_in_file_has_every_key() -> None:
    assert [*left_out(built_in())] == []
    assert [name for name, _ in built_in().rules] == list(NAMES) == list(QUERIES)


def test_file_of_a_team_replaces_the_keys_that_it_has(tmp_path: Path) -> None:
    found = read(tmp_path, "rules:\n  burst: {factor: 9}\n")
    assert found.rules.burst.factor == 9
    assert found.rules.burst.minimum == built_in().rules.burst.minimum
    assert found.rules.first_time == built_in().rules.first_time
    assert [*left_out(found)] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules:\n  brust: {}\n", "2: rules has the unknown key 'brust' (expected"),
        ("rules:\n  burst: {factr: 2}\n", "did you mean 'factor'?"),
        ("rules:\n  burst: {factor: 1}\n", "2: rules.burst.factor is 1 (expected a whole number"),
        ("rules:\n  first_time: {learning: 14}\n", "is 14, without a unit"),
        ("rules:\n  outside_apply: {skip: ['{aply}']}\n", "did you mean 'apply'?"),
        ("rules:\n  out_of_hours: {time_zone: Mars}\n", "is 'Mars' (expected a time zone"),
        ("rules:\n  out_of_hours:\n    end: '06:00'\n", "3: rules.out_of_hours.end is '06:00'"),
        ("rules:\n  out_of_hours: {begin: '21:00'}\n", "out_of_hours.begin is '21:00'"),
        ("rules:\n  new_address: {known: [10.0.0.1/8]}\n", "a network such as 10.0.0.0/8"),
        ("ignore: [{rule: burst, actor: x, until: 2027-01-01}]\n", "lacks the key 'reason'"),
        (
            "ignore:\n- {rule: burts, actor: x, reason: r, until: 2027-01-01}\n",
            "did you mean 'burst'?",
        ),
        ("ignore:\n- {rule: burst, actor: x, reason: r, until: 2027-02-30}\n", "a date such as"),
        ("- a\n", "is empty or is not a mapping"),
        ("rules:\n", "rules is empty"),
        ("rules: 7\n", "rules is a number"),
    ],
)
def test_invalid_file_is_rejected_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, text)
    assert len(caught.value.errors) == 1
    assert re.match(r".*anomalies\.yaml:\d: ", str(caught.value))
    assert message in str(caught.value)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="cannot be read: No such file"):
        read_rules(tmp_path / "anomalies.yaml")


def test_names_are_those_of_the_deployment() -> None:
    names = build_names("prod", "shop", Mounts(kv="team/kv"))
    assert (names["apply"], names["rotator"]) == ("shop-apply", "shop-rotator")
    assert build_names("dev", "strongroom", Mounts())["plan"] == "strongroom-plan"
    assert matches("team/kv/config", build_expression(["{kv}/config"], names))
    assert matches("x-prod-starter", build_expression(["*-{environment}-starter"], names))


def matches(text: str, expression: str) -> bool:
    query = f"SELECT regexp_full_match({quote(text)}, {quote(expression)})"
    ((found,),) = duckdb.execute(query).fetchall()
    return bool(found)


TEXT: Final = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))


@given(text=TEXT, other=TEXT)
@settings(max_examples=60)
def test_pattern_of_any_characters_matches_itself_only(text: str, other: str) -> None:
    plain = text.replace("*", "")
    assert matches(plain, build_expression([plain or "-"])) == (plain != "")
    assert matches(other, build_expression([plain, "x"])) == (other in {plain, "x"})
    assert matches(f"{plain}{other}", build_expression([f"{plain}*"]))


def test_no_pattern_matches_nothing() -> None:
    assert not matches("", build_expression([]))
    assert not matches("a", build_expression([]))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-06-15 05:00", False),  # Monday 07:00 in Berlin, in summer
        ("2026-06-15 04:59", True),
        ("2026-06-15 17:59", False),
        ("2026-06-15 18:00", True),
        ("2026-01-12 05:59", True),  # Monday 06:59, in winter
        ("2026-01-12 06:00", False),
        ("2026-06-13 10:00", True),  # Saturday
        ("2026-06-14 22:30", True),  # Sunday there, and 00:30 on Monday in Berlin
        ("2026-10-25 00:30", True),  # the hour that comes twice
    ],
)
def test_time_is_outside_by_the_clock_of_the_zone(time: str, expected: bool) -> None:
    rule = built_in().rules.out_of_hours.model_copy(update={"time_zone": "Europe/Berlin"})
    assert isinstance(rule, OutOfHours)
    assert is_outside(rule, datetime.fromisoformat(time)) is expected


def test_document_has_the_thresholds_and_severities_of_the_built_in_file() -> None:
    text = (load.PROJECT / "docs/howto/Anomalies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (`.+`) \| (\w+) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(NAMES)
    for name, thresholds, severity in rows:
        rule = load.read_document(BUILT_IN).data["rules"][name]
        assert rule["severity"] == severity
        stated = re.findall(r"`(\w+): (\S+)`", thresholds)
        assert stated
        assert {key: str(rule[key]) for key, _ in stated} == dict(stated), name


def test_document_says_of_each_rule_what_to_do() -> None:
    text = (load.PROJECT / "docs/howto/Anomalies.md").read_text(encoding="utf-8")
    todo = text.partition("## What to do")[2].partition("## JSON")[0]
    runbook = (load.PROJECT / "docs/runbook/Audit_Log.md").read_text(encoding="utf-8")
    section = runbook.partition("## The audit log has unusual requests")[2].partition("\n## ")[0]
    for name in NAMES:
        assert f"`{name}`" in todo
        assert f"`{name}`" in section
