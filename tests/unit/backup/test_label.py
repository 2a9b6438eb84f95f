"""Name and context of a backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app_integration.names import Environment, Scope
from backup.errors import RestoreRefused
from backup.label import BackupLabel, is_backup_name

SCOPE = Scope("shop-api", Environment.PROD)
LABEL = BackupLabel(SCOPE, "shop", datetime(2026, 11, 27, 12, 0, 5, tzinfo=UTC))
CONTEXT = {**LABEL.context(), "service": "shop-api", "environment": "prod"}


def test_label_is_in_the_name_and_the_context() -> None:
    assert LABEL.file_name == "shop-api-prod-20261127T120005Z.dump.encrypted"
    assert is_backup_name(LABEL.file_name)
    assert BackupLabel.from_context(CONTEXT) == LABEL


def test_label_has_whole_seconds_of_utc() -> None:
    other = timezone(timedelta(hours=2))
    moment = datetime(2026, 11, 27, 14, 0, 5, 999_999, tzinfo=other)
    assert BackupLabel(SCOPE, "shop", moment) == LABEL


@pytest.mark.parametrize(
    "change",
    [
        {"of": "log"},
        {"service": "../shop"},
        {"environment": "production"},
        {"created": "today"},
        {"database": 1},
    ],
)
def test_context_of_another_file_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RestoreRefused, match="pass another one"):
        BackupLabel.from_context({**CONTEXT, **change})


@pytest.mark.parametrize(
    "name", ["manifest.json", f"../{LABEL.file_name}", f"{LABEL.file_name}.new", ".shop.dump"]
)
def test_other_names_are_not_those_of_backups(name: str) -> None:
    assert not is_backup_name(name)
