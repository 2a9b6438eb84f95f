"""Reads of versions by tokens: one token in two logs, renewals, and logs that grow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vault.rotation.consumers.consumer_log import ConsumerLog, read_consumer_log
from vault.rotation.response_log import FileLog

PATH = "secret/data/shop/dev/token"
TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)


def line(
    token: str,
    *,
    path: str = PATH,
    operation: str = "read",
    version: int = 1,
    second: int = 0,
    request: str = "",
    **edits: Any,
) -> dict[str, Any]:
    """Return a response line of a token whose accessor has the HMAC *token*."""
    return {
        "time": f"{TIME + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}Z",
        "type": "response",
        "auth": {
            "accessor": token,
            "display_name": "approle",
            "metadata": {"role_name": "shop-dev"},
            "token_ttl": 60,
            "token_issue_time": f"{TIME:%Y-%m-%dT%H:%M:%S}Z",
        },
        "request": {"id": request, "operation": operation, "path": path, **edits},
        "response": {"data": {"metadata": {"version": version}}},
    }


def write(path: Path, *lines: dict[str, Any], mode: str = "w") -> Path:
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(f"{json.dumps(each, separators=(',', ':'))}\n" for each in lines)
    return path


def read(folder: Path, *lines: dict[str, Any]) -> ConsumerLog:
    return read_consumer_log(FileLog.of([write(folder / "log", *lines)]), [PATH])


def test_token_in_two_logs_is_one_even_if_each_has_other_requests(tmp_path: Path) -> None:
    first = write(tmp_path / "1", line("a", request="r1"), line("a", request="r2", second=1))
    second = write(
        tmp_path / "2", line("b", request="r2", second=2), line("b", request="r3", version=2)
    )
    (token,) = read_consumer_log(FileLog.of([first, second]), [PATH]).tokens
    assert set(token.versions[PATH]) == {1, 2}
    assert token.versions[PATH][1].last == TIME + timedelta(seconds=2)


def test_requests_without_an_id_do_not_join_tokens(tmp_path: Path) -> None:
    assert len(read(tmp_path, line("a"), line("b")).tokens) == 2


def test_renewal_before_the_read_in_the_log_extends_the_token(tmp_path: Path) -> None:
    renewal = line("a", path="auth/token/renew-self", operation="update", second=50)
    (token,) = read(tmp_path, renewal, line("a")).tokens
    assert not token.has_ended(TIME + timedelta(seconds=109))
    assert token.has_ended(TIME + timedelta(seconds=111))


def test_revocation_in_the_second_log_ends_the_token_of_both(tmp_path: Path) -> None:
    revoked = line(
        "x", path="auth/token/revoke-accessor", operation="update", data={"accessor": "b"}
    )
    first = write(tmp_path / "1", line("a", request="r"))
    second = write(tmp_path / "2", line("b", request="r"), revoked)
    (token,) = read_consumer_log(FileLog.of([first, second]), [PATH]).tokens
    assert token.is_revoked
    assert token.has_ended(TIME)


def test_read_of_no_whole_version_is_no_read(tmp_path: Path) -> None:
    lines = [line("a") for _ in range(4)]
    lines[0]["response"] = {"data": {"metadata": {"version": "one"}}}
    lines[1]["response"] = {"data": {"metadata": ["version"]}}
    lines[2]["response"] = None
    lines[3]["request"]["operation"] = "update"
    assert read(tmp_path, *lines).tokens == []


def test_addresses_and_times_of_all_reads_are_kept(tmp_path: Path) -> None:
    (token,) = read(
        tmp_path,
        line("a", second=5, remote_address="10.0.0.2"),
        line("a", second=3, remote_address="10.0.0.1"),
        line("a", second=9),
    ).tokens
    reads = token.versions[PATH][1]
    assert reads.addresses == {"10.0.0.1", "10.0.0.2"}
    assert (reads.last - reads.first).seconds == 6
    assert token.first_read(PATH, 2, TIME) is None


def test_further_look_reads_only_what_was_appended(tmp_path: Path) -> None:
    log = read(tmp_path, line("a"), line("a"))
    write(tmp_path / "log", line("a", version=2), mode="a")
    with (tmp_path / "log").open("a") as file:
        file.write('{"time":"2026')  # a line that the server is writing
    log.read()
    assert log.source.files[0].lines == 3
    with (tmp_path / "log").open("a") as file:
        file.write("\n")
    write(tmp_path / "log", line("a", version=3), mode="a")
    log.read()
    assert log.source.files[0].lines == 4
    assert set(log.tokens[0].versions[PATH]) == {1, 2, 3}


def test_log_that_was_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = read(tmp_path, line("a"))
    (tmp_path / "log").rename(tmp_path / "log.1")
    write(
        tmp_path / "log", line("a", version=2, second=9), line("b", second=9), line("c", second=9)
    )
    log.read()
    assert len(log.tokens) == 3
    # What the first file had after the first look was not read.
    assert log.first == TIME + timedelta(seconds=9)


@pytest.mark.parametrize("how", ["renew", "renew-accessor"])
def test_token_that_another_one_renews_has_not_ended(how: str, tmp_path: Path) -> None:
    renewal = line("nomad", path=f"auth/token/{how}", operation="update", second=50)
    renewal["response"] = {"auth": {"accessor": "a"}}
    log = read(tmp_path, line("a"), renewal)
    (token,) = log.tokens
    assert not token.has_ended(TIME + timedelta(seconds=100))
    assert token.has_ended(TIME + timedelta(seconds=111))
