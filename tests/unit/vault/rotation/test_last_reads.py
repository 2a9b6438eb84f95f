"""Audit logs: what counts as a read, by whom, and what a damaged log still proves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from vault.audit import line
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import AuditLogs, Read, read_audit_logs
from vault.rotation.response_log import FileLog

HMAC = "hmac-sha256:" + "5" * 64


def item(kind: Kind, name: str, server_name: str) -> Item:
    return Item(kind, "shop", name, server_name, 60, is_declared=True)


SECRET = item(Kind.SECRET, "token", "shop/dev/token")
KEY = item(Kind.KEY, "pii", "shop-dev-pii")
USER = item(Kind.STATIC_USER, "database-url", "shop-dev-database-url")
ROOT = item(Kind.ROOT_USER, "shop_manager", "shop-dev")
ROLE = item(Kind.SECRET_ID, "shop-dev", "shop-dev")
ITEMS = (SECRET, KEY, USER, ROOT, ROLE)
PATH = "secret/data/shop/dev/token"
VERSION = {"data": {"value": HMAC}, "metadata": {"version": 3}}

Edit = Callable[[dict[str, Any]], object]


def response(
    path: str = PATH, operation: str = "read", data: Any = VERSION, *, second: str = "03.5"
) -> dict[str, Any]:
    """Return a response line of OpenBao, decoded."""
    return {
        "time": f"2026-11-27T21:01:{second}Z",
        "type": "response",
        "auth": {
            "display_name": "approle",
            "policy_results": {"allowed": True},
            "metadata": {"role_name": "shop-dev", "host": "web-1"},
        },
        "request": {"operation": operation, "namespace": {"id": "root"}, "path": path},
        "response": {"data": data},
    }


def encode(*documents: dict[str, Any]) -> bytes:
    lines = (json.dumps(each, separators=(",", ":")) + "\n" for each in documents)
    return "".join(lines).encode()


def read(folder: Path, content: bytes, namespace: str = "") -> AuditLogs:
    path = folder / "audit.log"
    path.write_bytes(content)
    return read_audit_logs(FileLog.of([path], namespace), ITEMS, DEFAULT_MOUNTS)


def at(second: float) -> datetime:
    whole = int(second)
    return datetime(2026, 11, 27, 21, 1, whole, round((second - whole) * 1e6), tzinfo=UTC)


def test_read_of_a_secret_has_time_role_host_and_version(tmp_path: Path) -> None:
    found = read(tmp_path, encode(response()))
    assert found.reads == {SECRET: Read(at(3.5), "read", "shop-dev", "web-1", "approle", 3)}
    assert (found.first, found.last, found.skipped) == (at(3.5), at(3.5), 0)


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.update(error="1 error occurred:\n\t* permission denied\n\n"),
        lambda line: line.update(type="request"),
        lambda line: line["auth"]["policy_results"].update(allowed=False),
        lambda line: line["response"].update(data={"error": HMAC}),
        lambda line: line["response"]["data"].update(http_status_code=404),
        lambda line: line["response"].pop("data"),
        lambda line: line.pop("response"),
        lambda line: line["request"].update(operation="update"),
        lambda line: line["request"].update(path="secret/metadata/shop/dev/token"),
        lambda line: line["request"].update(path="secret/data/shop/dev/token2"),
        lambda line: line["request"].update(namespace={"id": "x1", "path": "team/"}),
    ],
)
def test_what_is_no_successful_read_does_not_count(tmp_path: Path, edit: Edit) -> None:
    line = json.loads(encode(response()))
    edit(line)
    found = read(tmp_path, encode(line))
    assert (found.reads, found.skipped) == ({}, 0)
    assert found.first == at(3.5)


def test_read_in_the_namespace_of_the_deployment_counts(tmp_path: Path) -> None:
    line = response()
    line["request"]["namespace"] = {"id": "x1", "path": "team/"}
    assert SECRET in read(tmp_path, encode(line), "team").reads
    assert read(tmp_path, encode(response()), "team").reads == {}


def test_wrapped_read_counts_without_a_version(tmp_path: Path) -> None:
    line = response()
    line["response"] = {"wrap_info": {"ttl": 60, "token": HMAC}}
    assert read(tmp_path, encode(line)).reads[SECRET].version is None


@pytest.mark.parametrize(
    ("auth", "who"),
    [
        ({"metadata": {"role_name": HMAC, "host": HMAC}, "display_name": HMAC}, (None, None, None)),
        ({"metadata": {"role": "shop-dev"}}, ("shop-dev", None, None)),
        ({"metadata": {"username": "ada"}}, ("ada", None, None)),
        ({"metadata": {"cert_name": "shop-dev"}}, ("shop-dev", None, None)),
        ({"metadata": None, "display_name": "root"}, (None, None, "root")),
        ({"metadata": {"role_name": 7, "host": ["x"]}}, ("7", '["x"]', None)),
        (None, (None, None, None)),
    ],
)
def test_reader_is_a_name_and_never_an_hmac(
    tmp_path: Path, auth: object, who: tuple[str | None, ...]
) -> None:
    line = response()
    line["auth"] = auth
    found = read(tmp_path, encode(line)).reads[SECRET]
    assert (found.role, found.host, found.display_name) == who


@pytest.mark.parametrize(
    ("path", "data", "operation", "version"),
    [
        ("encrypt/shop-dev-pii", {"ciphertext": HMAC, "key_version": 4}, "encrypt", 4),
        ("decrypt/shop-dev-pii", {"plaintext": HMAC}, "decrypt", None),
        ("datakey/wrapped/shop-dev-pii", {"key_version": 2}, "datakey/wrapped", 2),
        (
            "rewrap/shop-dev-pii",
            {"batch_results": [{"key_version": 1}, {"key_version": 5}, {"error": HMAC}]},
            "rewrap",
            5,
        ),
        ("decrypt/shop-dev-pii", {"batch_results": [{"plaintext": HMAC}]}, "decrypt", None),
    ],
)
def test_use_of_a_key_has_a_version_only_if_the_log_has_one(
    tmp_path: Path, path: str, data: Any, operation: str, version: int | None
) -> None:
    found = read(tmp_path, encode(response(f"transit/{path}", "update", data))).reads[KEY]
    assert (found.operation, found.version) == (operation, version)


def test_password_of_a_static_user_is_read_at_its_own_path(tmp_path: Path) -> None:
    data = {"last_vault_rotation": "2026-11-27T21:01:00Z", "password": HMAC, "username": HMAC}
    path = "database/static-creds/shop-dev-database-url"
    assert read(tmp_path, encode(response(path, data=data))).reads[USER].role == "shop-dev"


def test_rotation_of_a_root_user_needs_no_data(tmp_path: Path) -> None:
    line = response("database/rotate-root/shop-dev", "update", None)
    failed = response("database/rotate-root/shop-dev", "update", {"error": HMAC}, second="09")
    assert read(tmp_path, encode(line, failed)).rotations == {ROOT: at(3.5)}


def test_login_counts_for_its_role(tmp_path: Path) -> None:
    line = response("auth/approle/login", "update", None)
    line["response"] = {"auth": {"metadata": {"role_name": "shop-dev"}}}
    other = json.loads(encode(line))
    other["auth"]["metadata"]["role_name"] = "other-dev"
    named = json.loads(encode(line))
    named["auth"]["metadata"]["issued"] = "c0ffee"
    found = read(tmp_path, encode(line, other, named))
    assert {key: login.host for key, login in found.logins.items()} == {
        ("shop-dev", None): "web-1",
        ("shop-dev", "c0ffee"): "web-1",
    }


def test_mounts_of_the_deployment_are_those_that_count(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(encode(response("team/kv/data/shop/dev/token")))
    assert SECRET in read_audit_logs(FileLog.of([path]), ITEMS, Mounts(kv="team/kv")).reads
    assert read_audit_logs(FileLog.of([path]), ITEMS, DEFAULT_MOUNTS).reads == {}


def test_lines_out_of_order_and_cut_zeros_give_the_latest_read(tmp_path: Path) -> None:
    # As text, "09.5Z" sorts after "09.51Z" and "09Z" after both.
    seconds = ["09", "03", "09.51", "08.999999999", "09.5"]
    found = read(tmp_path, encode(*(response(second=each) for each in seconds)))
    assert found.reads[SECRET].time == at(9.51)
    assert (found.first, found.last) == (at(3), at(9.51))


def test_overlapping_logs_give_the_latest_read(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(encode(response(second="05"), response(second="04")))
    other.write_bytes(encode(response(second="04"), response(second="01")))
    found = read_audit_logs(FileLog.of([one, other]), ITEMS, DEFAULT_MOUNTS)
    assert found.reads[SECRET].time == at(5)
    assert (found.first, found.last) == (at(1), at(5))
    assert [each.lines for each in found.files] == [2, 2]


class TestDamagedLog:
    """Lines that the ledger reads by itself; test_same_verdict.py has damaged ones."""

    def test_complete_last_line_without_a_line_break_is_skipped(self, tmp_path: Path) -> None:
        found = read(tmp_path, encode(response(second="05"), response(second="07")).rstrip(b"\n"))
        assert (found.reads[SECRET].time, found.skipped) == (at(5), 1)

    def test_read_whose_request_is_long_is_a_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(line, "MAX_LINE", 4096)
        document = response()
        document["request"]["data"] = {"k" * 10_000: 1}
        other = response("secret/other/shop/dev/token")
        other["request"]["data"] = document["request"]["data"]
        found = read(tmp_path, encode(document, other) + b"x" * 10_000 + b"\n")
        assert (found.reads[SECRET].version, found.skipped) == (3, 1)
        assert found.first == found.last

    def test_line_with_sorted_keys_is_read(self, tmp_path: Path) -> None:
        line = json.dumps(response(), sort_keys=True).encode() + b"\n"
        found = read(tmp_path, line)
        assert (found.reads[SECRET].version, found.skipped) == (3, 0)

    @pytest.mark.parametrize("content", [b"\x1f\x8b\x08\x00\n\x00", b"no log\n"])
    def test_file_that_is_no_audit_log_is_rejected(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(ConfigurationError, match="has no line of an audit log"):
            read(tmp_path, content)

    def test_empty_log_has_no_span(self, tmp_path: Path) -> None:
        found = read(tmp_path, b"")
        assert (found.first, found.last, found.reads) == (None, None, {})
