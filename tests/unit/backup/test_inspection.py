"""Findings about a folder of backups."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backup.inspection import Inspection, Observation, judge
from backup.manifest import Entry

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry(hours: int, service: str = "shop") -> Entry:
    created = NOW - hours * HOUR
    file = f"{service}-prod-{created:%Y%m%dT%H%M%SZ}.dump.encrypted"
    return Entry(file, service, "prod", "shop", created, created, 5000, "aa", 2, 10)


def intact(found: Entry) -> Observation:
    return Observation(found.size, found.digest, found.file)


def inspect(
    entries: list[Entry], *observed: Entry, others: Collection[str] = (), **options: Any
) -> Inspection:
    """Judge a folder in which the *observed* backups are intact."""
    found = {each.file: intact(each) for each in observed}
    return judge(entries, found, others, **{"now": NOW, "max_age": 26 * HOUR, **options})


def test_judge_of_an_intact_folder_finds_nothing() -> None:
    entries = [entry(25), entry(1)]
    found = inspect(entries, *entries)
    assert found.findings == ()
    assert found.intact == (entries[1], entries[0])


@pytest.mark.parametrize(
    ("observation", "fault"),
    [
        (None, "missing"),
        (Observation(4999, None, None), "cut: 4999 bytes in place of 5000"),
        (Observation(5001, None, entry(2).file), "altered"),
        (Observation(5000, "bb", entry(2).file), "altered"),
        (Observation(5000, "aa", entry(9).file), "altered"),
    ],
)
def test_judge_of_a_faulty_file_names_the_fault(
    observation: Observation | None, fault: str
) -> None:
    faulty, good = entry(2), entry(3)
    observed = {good.file: intact(good)}
    observed |= {faulty.file: observation} if observation else {}
    found = judge([faulty, good], observed, (), now=NOW, max_age=None)
    assert found.findings == (f"{faulty.file}: {fault}",)
    assert found.intact == (good,)


def test_judge_counts_the_age_of_the_newest_intact_backup_of_each_service() -> None:
    old, mail = entry(60), entry(1, "mail")
    found = inspect([old, entry(1), mail], old, mail)
    assert found.findings[-1] == "shop-prod: the newest intact backup is 2 d 12 h old"
    assert not any(finding.startswith("mail") for finding in found.findings)


def test_judge_of_a_service_without_an_intact_backup_says_so() -> None:
    assert "shop-prod: no backup is intact" in inspect([entry(1)], max_age=None).findings


def test_judge_of_an_empty_folder_finds_that_there_is_no_backup() -> None:
    assert inspect([], max_age=None).findings == ("there is no backup in the folder",)


def test_judge_reports_files_without_an_entry() -> None:
    good, other = entry(1), entry(5)
    (finding,) = inspect([good], good, others={other.file}, max_age=None).findings
    assert finding.startswith(f"{other.file}: not in the manifest")


def test_judge_does_not_count_the_age_of_a_backup_from_the_future() -> None:
    old, future = entry(60), entry(-9000)
    found = inspect([old, future], old, future)
    assert found.findings == ("shop-prod: the newest intact backup is 2 d 12 h old",)
    found = inspect([future], old, future)
    assert "each intact backup is from the future" in found.findings[0]
    assert not inspect([entry(0)], entry(0), now=NOW - HOUR, max_age=HOUR).findings
