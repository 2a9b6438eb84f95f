"""Questions about one secret or actor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from tests.support.models.audit_lines import (
    SALT,
    line,
    program,
    secret,
    write_records,
    write_store,
)
from tests.support.models.audit_report import DECLARED, JWT, KV, MAY, SHOP
from vault.audit.hmac_names import Name, Names
from vault.audit.report.activity import group_activity
from vault.audit.report.questions import answer_version, answer_what, answer_who
from vault.audit.store import open_store


def read(
    version: int, time: str, host: str | None = "web-1", token: str = "t1", role: str = "shop-dev"
) -> dict[str, Any]:
    """Return a read of a version on the second of May."""
    auth = program(role, host, token)
    return line(JWT, time=f"2026-05-02T{time}Z", auth=auth, response=secret(version), **KV)


def who(store: Path, name: str) -> dict[str, Any]:
    with open_store(store) as connection:
        group_activity(connection, DECLARED, MAY, "")
        return answer_who(connection, DECLARED, MAY, SHOP, name)


def version(store: Path, name: str = "jwt", current: int | None = None) -> dict[str, Any]:
    with open_store(store) as connection:
        group_activity(connection, DECLARED, MAY, "")
        return answer_version(connection, DECLARED, MAY, SHOP, name, current)


def what(store: Path, actor: str) -> list[dict[str, Any]]:
    with open_store(store) as connection:
        actions: list[dict[str, Any]] = answer_what(connection, DECLARED, MAY, "", actor)["actions"]
        return actions


def test_who_has_refused_readers_and_processes(tmp_path: Path) -> None:
    denied = program("mail-dev", policy_results={"allowed": False})
    store = write_store(
        tmp_path,
        [
            read(1, "00:00:00"),
            read(2, "01:00:00"),
            line(JWT, auth=denied, error="permission denied", **KV),
            line("secret/data/mail/dev/smtp", auth=program("mail-dev"), response=secret(1), **KV),
        ],
    )
    records = {"time": "2026-05-02T00:00:00Z", "service": "shop", "environment": "dev"}
    both = {**records, "host": "web-1", "pid": 7, "outcome": "hit", "version": 2, "count": 3}
    write_records(store, [{**both, "secret": "jwt"}, {**both, "secret": "other"}])
    found = who(store, "jwt")
    keys = ("actor", "host", "outcome", "count", "versions")
    assert [tuple(row[key] for key in keys) for row in found["reads"]] == [
        ("shop-dev", "web-1", "ok", 2, [1, 2]),
        ("mail-dev", None, "denied", 1, []),
    ]
    assert [(row["host"], row["pid"], row["count"]) for row in found["processes"]] == [
        ("web-1", 7, 3)
    ]


def test_undeclared_secret_is_refused_with_a_similar_name(tmp_path: Path) -> None:
    store = write_store(tmp_path, [read(1, "00:00:00")])
    with pytest.raises(ConfigurationError, match=r"'jwtt' in dev; did you mean 'jwt'\?"):
        who(store, "jwtt")


def test_version_of_a_database_role_is_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path, [read(1, "00:00:00")])
    with pytest.raises(
        ConfigurationError, match=r"database role of shop.*use `strongroom audit who"
    ):
        version(store, "default")


def test_version_is_that_of_the_last_read_of_each_token(tmp_path: Path) -> None:
    lines = [
        read(2, "05:00:00"),  # the line of a later read comes first
        read(1, "01:00:00"),
        read(1, "02:00:00", token="t2"),
        read(1, "03:00:00", "web-2", "t3"),
        read(1, "04:00:00", "web-2", "t4"),
    ]
    store = write_store(tmp_path, lines)
    found = version(store)
    assert (found["current"], found["current_by"]) == (2, "log")
    keys = ("version", "is_current", "host", "tokens", "count", "last")
    assert [tuple(row[key] for key in keys) for row in found["readers"]] == [
        (2, True, "web-1", 1, 2, "2026-05-02T05:00:00.000Z"),
        (1, False, "web-2", 2, 2, "2026-05-02T04:00:00.000Z"),
        (1, False, "web-1", 1, 1, "2026-05-02T02:00:00.000Z"),
    ]
    found = version(store, current=3)
    assert (found["current"], found["current_by"]) == (3, "server")
    assert {row["is_current"] for row in found["readers"]} == {False}


def test_version_of_a_key_is_that_of_encryption_only(tmp_path: Path) -> None:
    mount = {"mount_type": "transit", "mount_point": "transit/"}
    auth = program("shop-dev", "web-1")
    responses: dict[str, dict[str, Any]] = {
        "encrypt": {"data": {"batch_results": [{"ciphertext": SALT, "key_version": 4}]}},
        "decrypt": {"data": {"plaintext": SALT}},
    }
    lines = [
        line(f"transit/{use}/shop-dev-pii", "update", auth=auth, response=response, **mount)
        for use, response in responses.items()
    ]
    found = version(write_store(tmp_path, lines), "pii")
    assert [(row["version"], row["count"]) for row in found["readers"]] == [(4, 1)]


def test_what_knows_an_actor_by_each_of_its_names(tmp_path: Path) -> None:
    for device in ("1", "2"):
        amal = {
            "display_name": "userpass-amal",
            "entity_id": "e-1",
            "accessor": f"{SALT}p-{device}",
            "client_token": f"{SALT}token-{device}",
            "metadata": {"username": "amal"},
            "policy_results": {"allowed": True},
        }
        own = line("sys/policies/acl/x", "update", id=f"{1:032}", auth=amal, response={})
        other = line(JWT, id=f"{2:032}", auth=program("shop-dev"), response=secret(1), **KV)
        write_store(tmp_path, [own, other], f"audit-{device}")
    hashes = (f"{SALT}p-1", f"{SALT}p-2", f"{SALT}token-2")
    for name in ("amal", "userpass-amal", "e-1", *hashes):
        found = [(row["category"], row["path"], row["count"]) for row in what(tmp_path, name)]
        assert found == [("change", "sys/policies/acl/x", 1)], name


def test_what_knows_a_host(tmp_path: Path) -> None:
    store = write_store(tmp_path, [read(1, "00:00:00"), read(1, "00:00:00", "web-2", "t2")])
    assert [row["host"] for row in what(store, "web-2")] == ["web-2"]


@pytest.mark.parametrize(
    ("actor", "message"),
    [
        ("shop-de", r"'shop-de' \(did you mean 'shop-dev'\?\)"),
        (f"{SALT}none", "no request in the log has the token or accessor"),
        ("", "no request in the log is of ''"),
    ],
)
def test_unknown_actor_is_refused(tmp_path: Path, actor: str, message: str) -> None:
    store = write_store(tmp_path, [read(1, "00:00:00")])
    with pytest.raises(ConfigurationError, match=message):
        what(store, actor)


def test_what_finds_an_accessor_whose_hmac_the_store_knows(tmp_path: Path) -> None:
    store = write_store(tmp_path, [read(1, "00:00:00"), read(2, "01:00:00", token="t2")])
    known = Name("audit-1", 0, f"{SALT}accessor-t1", "accessor-of-t1")
    other = Name("audit-2", 0, f"{SALT}accessor-t2", "accessor-of-t1")
    Names(store, known={(each.device, each.hash): each for each in (known, other)}).save()
    assert [row["versions"] for row in what(store, "accessor-of-t1")] == [[1]]
