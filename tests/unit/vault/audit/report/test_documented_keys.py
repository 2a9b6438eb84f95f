"""Keys of the JSON documents, compared with the tables of the page that describes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.audit_lines import (
    line,
    program,
    secret,
    write_records,
    write_store,
)
from tests.support.models.audit_report import DECLARED, JWT, KV, MAY, SHOP, report
from vault.audit.report.activity import group_activity
from vault.audit.report.questions import answer_version, answer_what, answer_who
from vault.audit.store import open_store

PAGE = Path(__file__).parents[5] / "docs/howto/Audit.md"
#: Keys of every answer.
COMMON = {"environment", "since", "until", "coverage", "left_out"}
#: Tables of a report.
TABLES = (
    *("services", "reads", "refusals", "database_users", "actors", "tokens", "token_days"),
    *("without_token", "changes"),
)


def described() -> dict[str, list[str]]:
    """Return the words in backticks of each row of the tables below ``## JSON``."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## JSON\n")[2]
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", text, re.MULTILINE)
    return {re.sub(r"[`]", "", key): re.findall(r"`(\w+)`", value) for key, value in rows}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a row for each table."""
    auth = program("shop-dev", "web-1")
    lease = {"secret": {"lease_id": "database/creds/shop-dev/a"}}
    database: dict[str, Any] = {"mount_type": "database", "mount_point": "database/"}
    new = {"auth": {"accessor": "a", "token_ttl": 1}}
    lines = [
        line(JWT, time="2026-05-02T00:00:00Z", auth=auth, response=secret(1), **KV),
        line(JWT, time="2026-05-01T06:00:00Z", error="permission denied", **KV),
        line("database/creds/shop-dev", auth=auth, response=lease, **database),
        line("auth/approle/login", "update", auth=auth, response=new),
        line("sys/policies/acl/x", "update", auth=auth, response={}),
        line(JWT, auth=auth, namespace={"path": "team/"}, **KV),
        line("secret/data/shop/dev/x", time="2026-05-03T00:00:00Z", auth=auth, **KV),
    ]
    records = [
        {
            "time": f"2026-05-0{day}T00:00:00Z",
            "service": "shop",
            "environment": "dev",
            "operation": "get_secret",
            "secret": "jwt",
            "outcome": "miss",
            "source": "vault",
            "request_id": f"00000000-0000-0000-0001-00000000000{day}",
        }
        for day in (1, 2, 3)
    ]
    folder = tmp_path_factory.mktemp("store")
    return write_records(write_store(folder, lines), records)


def test_keys_of_the_report_are_described(store: Path) -> None:
    document, page = report(store), described()
    names = {name for key in page for name in key.split(", ") if not name.startswith("audit ")}
    assert document.keys() == names | {"since", "until"}
    for table in TABLES:
        assert set(document[table][0]) == set(page[table]), table
    records = document["records"]
    assert set(page["records"]) == records.keys() | {
        key for rows in records.values() for key in rows[0]
    }
    coverage = document["coverage"]
    nested = [coverage[key][0] for key in ("devices", "silences", "other_namespaces")]
    logs = {"files", "device", "lines", "damaged", "rescued", "damage"}
    assert set(page["coverage"]) == coverage.keys() | {*logs, *(k for each in nested for k in each)}
    assert set(page["totals"]) == document["totals"].keys()


def test_keys_of_the_answers_are_described(store: Path) -> None:
    page = described()
    with open_store(store) as connection:
        group_activity(connection, DECLARED, MAY, "")
        version = answer_version(connection, DECLARED, MAY, SHOP, "jwt", 1)
        who = answer_who(connection, DECLARED, MAY, SHOP, "jwt")
    with open_store(store) as connection:
        what = answer_what(connection, DECLARED, MAY, "", "shop-dev")
    for command, answer, tables in (
        ("audit who", who, ("reads", "processes")),
        ("audit version", version | {"server_error": None}, ("readers",)),
        ("audit what", what, ("actions",)),
    ):
        found = set(answer) | {key for table in tables for key in answer[table][0]}
        values = {"server", "log", "change", "read", "token", "login", "other"}
        assert found - COMMON == set(page[command]) - COMMON - values, command
