"""Summary of the log: the last login of each role, as far as it is this deployment's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.page.sources.audit_summary import read_audit_summary
from console.target.audit_logs.audit_store import Inputs
from console.target.target import open_target
from tests.support.models.audit_lines import line, program, write_store

LOGIN = "auth/approle/login"


def login(role: str, hour: int, path: str = LOGIN, **others: Any) -> dict[str, Any]:
    time = f"2026-05-01T{hour:02}:00:00Z"
    return line(path, "update", time=time, auth=program(role), **others)


def test_summary_has_the_last_login_of_each_role_of_its_namespace(tmp_path: Path) -> None:
    lines = [
        login("shop-staging", 7),
        login("shop-staging", 8),
        login("shop-staging", 9, namespace={"id": "x", "path": "other/"}),
        login("shop-staging", 10, error="invalid secret id"),
        login("mail-staging", 9, "auth/jwt/login/extra"),
        login("late-staging", 9, "auth/approle/role/login-service/secret-id"),
    ]
    store = write_store(tmp_path / "store", lines)
    target = open_target("staging", tmp_path / "root")
    found = read_audit_summary(Inputs(target, "1d", None, store, (), None))
    assert found.logins == {
        "shop-staging": datetime(2026, 5, 1, 8, tzinfo=UTC),
        "mail-staging": datetime(2026, 5, 1, 9, tzinfo=UTC),
    }
