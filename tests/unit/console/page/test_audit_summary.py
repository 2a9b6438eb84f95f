"""Summary of the log: the last read of each role, as far as it is this deployment's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.page.sources.audit_summary import read_audit_summary
from console.target.audit_logs.audit_store import Inputs
from console.target.target import open_target
from tests.support.models.audit_lines import line, program, secret, write_store

LOGIN = "auth/approle/login"
SECRET = "secret/data/shop/staging/jwt"


def read(role: str, hour: int, path: str = SECRET, **others: Any) -> dict[str, Any]:
    auth = program(role)
    auth["metadata"] |= {"issued": others.pop("issued", "web-1")}
    fields = {"operation": "read", "response": secret(1), **others}
    return line(path, time=f"2026-05-01T{hour:02}:00:00Z", auth=auth, **fields)


def test_summary_has_the_last_read_of_each_role_and_of_its_agent(tmp_path: Path) -> None:
    lines = [
        read("shop-staging", 7, issued="agent"),
        read("shop-staging", 8),
        read("shop-staging", 9, namespace={"id": "x", "path": "other/"}),
        read("shop-staging", 10, error="permission denied"),
        read("shop-staging", 11, "secret/data/shop/staging/jwt", operation="update"),
        read("mail-staging", 9, LOGIN, operation="update"),
    ]
    store = write_store(tmp_path / "store", lines)
    target = open_target("staging", tmp_path / "root")
    found = read_audit_summary(Inputs(target, "1d", None, store, (), None))
    assert found.reads == {
        ("shop-staging", True): datetime(2026, 5, 1, 7, tzinfo=UTC),
        ("shop-staging", False): datetime(2026, 5, 1, 8, tzinfo=UTC),
    }
