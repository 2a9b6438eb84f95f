"""Store of audit lines: it says what the files say, and which time it covers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS
from tests.support.models.audit_lines import SALT, line, program, secret
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source
from vault.rotation.consumers.consumer_log import TokenReads, read_consumer_log
from vault.rotation.consumers.login_log import read_login_log
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import read_audit_logs
from vault.rotation.response_log import FileLog, ResponseLog
from vault.rotation.stored_log import StoredLog

TIME = datetime(2026, 5, 1, 12, tzinfo=UTC)
PATH = "secret/data/shop/dev/token"
LOGIN = "auth/approle/login"
KINDS = {
    Kind.SECRET: "shop/dev/token",
    Kind.KEY: "shop-dev-pii",
    Kind.STATIC_USER: "shop-dev-database-url",
    Kind.ROOT_USER: "shop-dev",
    Kind.SECRET_ID: "shop-dev",
}
ITEMS = [Item(kind, "shop", name, name, 60, is_declared=True) for kind, name in KINDS.items()]
WRAPPED = {"wrap_info": {"ttl": 60, "token": SALT}}
TOKEN: dict[str, Any] = {"token_ttl": 60, "token_issue_time": "2026-05-01T14:00:00+02:00"}


def at(second: float) -> str:
    # As the server does, without trailing zeros, and with more decimals than Python has.
    text = f"{TIME + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".")
    return f"{text}{'987' if second % 1 else ''}Z"


def requests(device: str) -> list[dict[str, Any]]:
    """Return lines of all that counts, and of what does not, with the HMACs of a device."""
    web = program("shop-dev", "web-1", f"{device}-1", **TOKEN)
    other = program("shop-dev", token=f"{device}-2", **TOKEN)
    batch = {**other, "accessor": ""}
    login = {"role_name": "shop-dev", "issued": "c0ffee"}
    denied = {**web, "policy_results": {"allowed": False}}
    by_name = partial(line, operation="update", auth=web, response={"data": {"key_version": 2}})
    revoked = {"accessor": f"{SALT}accessor-{device}-2"}
    return [
        line(PATH, auth=web, response=secret(1), time=at(1)),
        line(PATH, auth=web, response=secret(1), time=at(3.123456), remote_address="10.0.0.2"),
        line(PATH, auth=web, response=secret(2), time=at(9.5), remote_address=""),
        line(PATH, auth=web, response=secret(2), time=at(9.51)),
        line(PATH, auth=other, response=secret(2), time=at(8)),
        line(PATH, auth=batch, response=secret(2), time=at(7)),
        line(PATH, auth={"display_name": "root", "accessor": SALT}, response=secret(1), time=at(6)),
        line(PATH, auth=web, response=WRAPPED, time=at(20)),
        line(PATH, auth=web, response={"data": None, "wrap_info": None}, time=at(30)),
        line(PATH, auth=denied, response=secret(9), time=at(31)),
        line(PATH, auth=web, response=secret(9), time=at(32), error="permission denied"),
        line(PATH, auth=web, response={"data": {"error": SALT}}, time=at(33)),
        line(PATH, auth=web, response={"data": {"http_status_code": 404}}, time=at(34)),
        line(PATH, auth=web, response=secret(9), time=at(35), namespace={"path": "team/"}),
        line(PATH, "update", auth=web, response=secret(9), time=at(36)),
        line(PATH, auth=web, response=secret(9), time=at(37), kind="request"),
        line("secret/data/shop/dev/token2", auth=web, response=secret(9), time=at(38)),
        by_name("transit/encrypt/shop-dev-pii", time=at(4)),
        by_name(
            "transit/rewrap/shop-dev-pii",
            response={"data": {"batch_results": [{"error": SALT}, {"key_version": 5}]}},
            time=at(5),
        ),
        by_name("transit/decrypt/shop-dev-pii", response={"data": {"plaintext": SALT}}, time=at(2)),
        line("database/static-creds/shop-dev-database-url", auth=web, response={"data": {"x": 1}}),
        by_name("database/rotate-root/shop-dev", response={}, time=at(11)),
        by_name("database/rotate-root/shop-dev", response={"data": {"error": SALT}}, time=at(12)),
        by_name(LOGIN, auth={**web, "metadata": login}, response={"auth": {}}, time=at(13)),
        by_name(LOGIN, auth={**other, "metadata": {"role_name": "shop-dev"}}, time=at(14)),
        by_name(LOGIN, auth={**web, "metadata": {"role": SALT, "username": "ada"}}, time=at(15)),
        by_name("auth/token/renew-self", response={"auth": {}}, time=at(40)),
        by_name("auth/token/renew", response={"auth": {"accessor": web["accessor"]}}, time=at(41)),
        by_name("auth/token/revoke-accessor", response={}, time=at(50), data=revoked),
        by_name("auth/token/revoke-self", auth=batch, response={}, time=at(51)),
    ]


def write(path: Path, lines: Sequence[dict[str, Any]], end: str = "") -> Path:
    texts = (json.dumps(each, separators=(",", ":")) + "\n" for each in lines)
    path.write_text("".join(texts) + end, encoding="utf-8")
    return path


def stored(folder: Path, paths: Sequence[Path], namespace: str = "") -> StoredLog:
    sources = [Source.server_log(path) for path in paths]
    return StoredLog(folder / "store", namespace, lambda: ingest(sources, folder / "store"))


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """Return the logs of two devices, of which the second has fewer requests and damaged lines."""
    lines = requests("a")
    again = [
        {**each, "request": {**each["request"], "id": one["request"]["id"]}}
        for each, one in zip(requests("b"), lines, strict=True)
    ]
    first = write(tmp_path / "audit-1.log", lines[::-1])
    second = write(tmp_path / "audit-2.log", again[1:], '{"torn\n\n{"time":"2026')
    return [first, second]


@pytest.fixture(params=["", "team"])
def both(logs: list[Path], tmp_path: Path, request: pytest.FixtureRequest) -> list[ResponseLog]:
    """Return the files, and a store of them."""
    return [FileLog.of(logs, request.param), stored(tmp_path, logs, request.param)]


def tokens(log: ResponseLog) -> list[TokenReads]:
    found = read_consumer_log(log, [PATH, "secret/data/shop/dev/token2"]).tokens
    return sorted(found, key=lambda each: (each.identity, each.is_closed, str(each.versions)))


def test_store_says_what_its_files_say(both: list[ResponseLog]) -> None:
    of_files, of_store = (read_audit_logs(log, ITEMS, DEFAULT_MOUNTS) for log in both)
    assert of_files.reads
    assert of_store.reads == of_files.reads
    assert of_store.rotations == of_files.rotations
    assert of_store.logins == of_files.logins
    spans = [
        [(e.path.name, e.lines, e.skipped, e.first, e.last) for e in of.files]
        for of in (of_files, of_store)
    ]
    assert spans[0] == spans[1]
    assert spans[0][1][2] == 2


def test_store_has_the_same_consumers_as_its_files(logs: list[Path], tmp_path: Path) -> None:
    of_files = tokens(FileLog.of(logs))
    assert [each.is_revoked for each in of_files].count(True) == 2
    assert len(of_files) == 4  # each once, although each device names it otherwise
    assert tokens(stored(tmp_path, logs)) == of_files


def test_store_has_the_same_logins_as_its_files(logs: list[Path], tmp_path: Path) -> None:
    of_files = read_login_log(FileLog.of(logs), LOGIN).times
    assert {each.role for each in of_files} == {"shop-dev", "ada"}
    assert read_login_log(stored(tmp_path, logs), LOGIN).times == of_files


class TestCoverage:
    """A log that went on elsewhere before its end was read leaves a hole."""

    @pytest.fixture
    def live(self, tmp_path: Path) -> Path:
        return write(tmp_path / "audit-1.log", [line(PATH, time=at(each)) for each in (0, 10)])

    def rotate(self, live: Path, *, is_kept: bool) -> Path:
        """Archive the log, to which the server has written once more, and begin another one."""
        lines = live.read_bytes() + json.dumps(line(PATH, time=at(20))).encode() + b"\n"
        archived = live.with_name("audit-1-20260501.log.gz")
        if is_kept:
            archived.write_bytes(gzip.compress(lines))
        write(live, [line(PATH, time=at(each)) for each in (30, 40)])
        return archived

    def covers(self, log: StoredLog, start: float, end: float) -> bool:
        list(log.responses([PATH], by_token=False))
        return log.covers(*(TIME + timedelta(seconds=each) for each in (start, end)))

    def test_live_log_covers_its_own_time(self, live: Path, tmp_path: Path) -> None:
        log = stored(tmp_path, [live])
        assert self.covers(log, 0, 10)
        assert not self.covers(log, -1, 10)
        assert not self.covers(log, 0, 11)  # because lines may be missing since

    def test_log_whose_end_was_not_read_is_a_hole(self, live: Path, tmp_path: Path) -> None:
        log = stored(tmp_path, [live])
        assert self.covers(log, 0, 10)
        self.rotate(live, is_kept=False)
        assert not self.covers(log, 0, 40)
        assert self.covers(log, 30, 40)

    def test_archived_log_fills_the_hole(self, live: Path, tmp_path: Path) -> None:
        log = stored(tmp_path, [live])
        assert self.covers(log, 0, 10)
        archived = self.rotate(live, is_kept=True)
        assert self.covers(stored(tmp_path, [live, archived]), 0, 40)


def test_store_without_a_line_is_rejected(tmp_path: Path) -> None:
    log = replace(stored(tmp_path, []), update=lambda: None)
    with pytest.raises(ConfigurationError, match="has no line of an audit log; name a file"):
        read_audit_logs(log, ITEMS, DEFAULT_MOUNTS)
