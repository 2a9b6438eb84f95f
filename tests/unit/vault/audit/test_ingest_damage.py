"""Damage of logs: each kind is found, named, and costs no other line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
import zstandard

from app_integration.errors import ConfigurationError
from tests.unit.vault.audit.conftest import line
from vault.audit.damage import Damage, Reason
from vault.audit.ingest.index import Index
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, find_records
from vault.audit.store import open_store

Change = Callable[[bytes], bytes]


def _ingest(folder: Path, data: bytes, name: str = "audit-1.log") -> Ingested:
    path = folder / name
    path.write_bytes(data)
    return ingest([Source.server_log(path)], folder / "store")


def _paths(folder: Path) -> list[str]:
    with open_store(folder / "store") as connection:
        found = connection.execute("SELECT path FROM lines ORDER BY time").fetchall()
    return [path for (path,) in found]


def _damage(found: Ingested) -> list[Damage]:
    return [each.damage for each in found.damage]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda line: line[:120], Reason.TORN, id="torn in a text"),
        pytest.param(lambda line: line[:-1], Reason.TORN, id="torn at the end"),
        pytest.param(lambda line: line[:-2], Reason.TORN, id="torn before the end"),
        pytest.param(lambda line: line + b"xx", Reason.MALFORMED, id="text behind"),
        pytest.param(lambda line: line + b",", Reason.MALFORMED, id="comma behind"),
        pytest.param(lambda _: b"# a comment", Reason.MALFORMED, id="comment"),
        pytest.param(lambda line: line.replace(b":900", b":9x"), Reason.MALFORMED, id="no number"),
        pytest.param(lambda line: line.replace(b"shop/", b"\xff\xfe"), Reason.NOT_UTF8, id="utf8"),
        pytest.param(
            lambda line: line.replace(b"shop/", b"\\ud800"), Reason.MALFORMED, id="surrogate"
        ),
        pytest.param(lambda line: b"\0" * 9 + line, Reason.NUL, id="nul before"),
        pytest.param(lambda line: line.replace(b"shop/", b"\0"), Reason.NUL, id="nul within"),
        pytest.param(lambda _: b"{}", Reason.NO_TIME, id="empty object"),
        pytest.param(lambda _: b"null", Reason.WRONG_TYPE, id="null"),
        pytest.param(lambda _: b"[]", Reason.WRONG_TYPE, id="list"),
        pytest.param(lambda _: b"17", Reason.WRONG_TYPE, id="number"),
        pytest.param(
            lambda line: line.replace(b'"time"', b'"moment"'), Reason.NO_TIME, id="no time"
        ),
        pytest.param(lambda _: b'{"time":17,"type":"x"}', Reason.WRONG_TYPE, id="time a number"),
        pytest.param(lambda _: b'{"time":"x","type":"x"}', Reason.NO_TIME, id="time no time"),
        pytest.param(
            lambda line: line.replace(b"2026-", b"9026-"), Reason.WRONG_TYPE, id="time out of range"
        ),
        pytest.param(
            lambda line: line.replace(b'["shop-dev"]', b'"x"'), Reason.WRONG_TYPE, id="no list"
        ),
    ],
)
def test_damaged_line_among_whole_ones_is_named(
    tmp_path: Path, change: Change, reason: Reason
) -> None:
    first, second, damaged = line(1), line(2), change(line(3))
    found = _ingest(tmp_path, b"\n".join([first, second, damaged, line(4), b""]))
    if reason is Reason.NUL and damaged.startswith(b"\0"):
        assert found.new_lines == 4  # what follows the NUL bytes is a whole line
    else:
        assert found.new_lines == 3
    assert _damage(found) == [Damage(3, len(first) + len(second) + 2, reason)]


@pytest.mark.parametrize("name", ["auth", "request", "response"])
@pytest.mark.parametrize("value", ["text", [], 7])
def test_field_of_wrong_type_is_named(tmp_path: Path, name: str, value: object) -> None:
    found = _ingest(tmp_path, b"\n".join([line(1), line(2, **{name: value}), line(3), b""]))
    assert found.new_lines == 2
    assert _damage(found) == [Damage(2, len(line(1)) + 1, Reason.WRONG_TYPE)]


@pytest.mark.parametrize(
    "auth",
    [
        {"policies": "x"},
        {"policies": {}},
        {"policy_results": []},
        {"token_ttl": "x"},
        {"token_ttl": {}},
        {"token_ttl": 1e30},
    ],
)
def test_field_that_has_another_type_in_every_line_is_found(
    tmp_path: Path, auth: dict[str, Any]
) -> None:
    lines = [line(1), *(line(number, auth=auth) for number in range(2, 2000))]
    found = _ingest(tmp_path, b"\n".join(lines) + b"\n")
    assert (found.new_lines, len(found.damage)) == (1, 1998)
    assert {each.reason for each in _damage(found)} == {Reason.WRONG_TYPE}


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": None},
        {"auth": "absent"},
        {"auth": {}},
        {"error": {"text": "one"}},
        {"request": "absent"},
        {"response": None},
        {"more": {"of": ["it"]}},
        {"auth": {"token_ttl": "15", "policies": None}},
        {"auth": {"token_ttl": 1.5, "policies": []}},
        {"response": {"data": [1, 2]}},
        {"response": {"data": 7}},
        {"response": {"data": "hmac-sha256:cc"}},
        {"request": {"id": "no uuid", "operation": "list", "path": 7, "data": [{"a": 1}]}},
    ],
)
def test_line_whose_fields_drift_is_kept(tmp_path: Path, fields: dict[str, Any]) -> None:
    found = _ingest(tmp_path, b"\n".join([line(1), line(2, **fields), line(3), b""]))
    assert (found.new_lines, found.damage) == (3, ())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"%s":1,"secret_id":"s"}' % (b"k" * 17 * 2**20), id="long"),
        pytest.param(b'{"secret_id":"s","x":' + b"[" * 9000 + b"]" * 9000 + b"}", id="deep"),
        pytest.param(b'{"secret_id":"s","x":%s}' % (b"9" * 5000), id="number"),
        pytest.param(b'{"a\\u0000b":1,"secret_id":"s"}', id="escaped NUL"),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"damaged\n"], ids=["whole", "cleaned"])
def test_client_hides_no_line_by_what_it_sends(tmp_path: Path, data: bytes, rest: bytes) -> None:
    request = {"path": "auth/approle/login", "operation": "update", "data": "here"}
    hostile = line(1, request=request).replace(b'"here"', data)
    found = _ingest(tmp_path, hostile + b"\n" + line(2) + b"\n" + rest)
    assert (found.new_lines, len(found.damage)) == (2, len(rest.splitlines()))
    with open_store(tmp_path / "store") as connection:
        found_lines = connection.execute("SELECT path, role, secret_id FROM events ORDER BY time")
        assert found_lines.fetchone() == ("auth/approle/login", "shop-dev", "s")


def test_line_that_is_cleaned_has_the_columns_of_one_that_is_not(tmp_path: Path) -> None:
    batch = {"batch_results": [{"error": "x"}, {"key_version": 5}]}
    data: list[Any] = [
        None,
        [1],
        batch,
        {"keys": ["a", "b"]},
        {"keys": 7},
        {"error": "x", "http_status_code": 404},
        {"metadata": {"version": 3}, "username": "v-x", "other": 1},
        {"key_version": 2},
    ]
    given = {"accessor": "a", "secret_id": "s", "x": {}}
    request = {"id": str(UUID(int=1)), "data": given, "namespace": {"id": "i", "path": "team/"}}
    wrapped = {"wrap_info": {"ttl": 60}, "secret": {"lease_id": "l"}, "auth": {"token_ttl": "7"}}
    lines = [
        *(line(number, response={"data": each}) for number, each in enumerate(data)),
        line(20, request=request, response=wrapped, auth={"token_ttl": 1.5}, error={"a": [1]}),
        line(21, auth={"token_issue_time": "2026-05-01T14:00:00+02:00", "policies": [1, "a"]}),
    ]
    rows = []
    for name, rest in (("audit-1.log", b""), ("audit-2.log", b"damaged\n")):
        folder = tmp_path / name
        folder.mkdir()
        _ingest(folder, b"\n".join(lines) + b"\n" + rest, name)
        with open_store(folder / "store") as connection:
            query = "SELECT * EXCLUDE (line, device) FROM lines ORDER BY time"
            rows.append(connection.execute(query).fetchall())
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(lines)


def test_log_whose_first_line_is_long_is_one_log(tmp_path: Path) -> None:
    data = line(1, request={"data": {"k" * 17 * 2**20: 1}}) + b"\n" + line(2) + b"\n"
    found = _ingest(tmp_path, data)
    again = _ingest(tmp_path, gzip.compress(data, 1), "audit-1.log.gz")
    assert (found.new_lines, again.new_lines, again.damage) == (2, 0, ())


def _mutate(numbers: Random, line: bytes) -> bytes:
    """Return a line with a fault, as a disk, a program or a client may have made it."""
    at = numbers.randrange(len(line))
    end = at + numbers.randrange(1, 200)
    put = numbers.choice(
        [
            *(b'"', b"{", b"[" * 2000, b"\xff\0", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b""),
            *(b"k" * 99_999, b"9" * 5000, line[at:end], line, numbers.randbytes(5)),
        ]
    )
    changed = numbers.choice(
        [
            line[:at] + put + line[at:],
            line[:at] + put + line[end:],
            line[:at],
            line.replace(b"2026-", numbers.choice([b"0001-", b"1677-", b"2262-", b"9999-", b"-"])),
            line.replace(b"true", numbers.choice([b"{}", b'"yes"', b"[]", b"17", b"nul"])),
            line.replace(b":900", numbers.choice([b':"x"', b":1e30", b":{}", b":" + b"9" * 400])),
        ]
    )
    return changed.replace(b"\n", b"")


def test_damaged_lines_cost_no_other_line(tmp_path: Path) -> None:
    numbers = Random(17)  # noqa: S311 (reproducible)
    lines = []
    for number in range(1000):
        kept = line(number, request={"path": f"kept-{number}", "operation": "read"})
        lines += [kept, _mutate(numbers, line(number)), _mutate(numbers, line(number))]
    found = _ingest(tmp_path, b"\n".join(lines) + b"\n")
    kept_paths = {path for path in _paths(tmp_path) if path and path.startswith("kept-")}
    assert len(kept_paths) == 1000
    (entry,) = Index.load(tmp_path / "store").logs.values()
    assert entry.damaged == len(found.damage) > 1000
    assert entry.lines + entry.rescued == entry.rows + entry.damaged + entry.blank


def test_torn_line_glued_to_next_leaves_whole_one(tmp_path: Path) -> None:
    other = line(2, request={"path": "other", "operation": "read"})
    found = _ingest(tmp_path, line(1) + b"\n" + line(9)[:90] + other + b"\n")
    assert _damage(found) == [Damage(2, len(line(1)) + 1, Reason.GLUED)]
    assert _paths(tmp_path) == ["secret/data/shop/dev/key", "other"]


def test_two_whole_objects_on_one_line_are_both_kept(tmp_path: Path) -> None:
    found = _ingest(tmp_path, line(1) + line(2) + b"\n" + line(3) + b"\n")
    assert found.new_lines == 3
    assert _damage(found) == [Damage(1, 0, Reason.GLUED)]


def test_blank_lines_are_no_damage(tmp_path: Path) -> None:
    found = _ingest(tmp_path, b"\n" + line(1) + b"\n\n  \n" + line(2) + b"\r\n")
    assert (found.new_lines, found.damage) == (2, ())
    (entry,) = Index.load(tmp_path / "store").logs.values()
    assert (entry.lines, entry.rows, entry.blank) == (5, 2, 3)


def test_many_damaged_lines_are_all_counted(tmp_path: Path) -> None:
    data = b"\n".join(line(i)[: 100 if i % 2 else None] for i in range(3000)) + b"\n"
    found = _ingest(tmp_path, data)
    (entry,) = Index.load(tmp_path / "store").logs.values()
    assert (found.new_lines, len(found.damage), entry.damaged) == (1500, 1500, 1500)
    assert len(entry.damage) == 1000


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def _zstd_frames(data: bytes) -> bytes:
    half = len(data) // 2
    return _zstd(data[:half]) + _zstd(data[half:])


def _gzip_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


@pytest.mark.parametrize("compress", [gzip.compress, _zstd, _zstd_frames, _gzip_members])
def test_compressed_log_is_read_whole(tmp_path: Path, compress: Change) -> None:
    data = b"\n".join(line(i) for i in range(500)) + b"\n"
    found = _ingest(tmp_path, compress(data), "audit-1.log.x")
    assert (found.new_lines, found.damage) == (500, ())


@pytest.mark.parametrize("compress", [gzip.compress, _zstd, _zstd_frames, _gzip_members])
def test_cut_compressed_log_is_named_and_its_lines_kept(tmp_path: Path, compress: Change) -> None:
    # Random numbers, so that a part of the file is a part of the lines.
    numbers = Random(1)  # noqa: S311 (reproducible)
    lines = [line(i, error=str(numbers.getrandbits(2000))) for i in range(1000)]
    whole = compress(b"\n".join(lines) + b"\n")
    found = _ingest(tmp_path, whole[: len(whole) * 3 // 4], "audit-1.log.x")
    assert 0 < found.new_lines < len(lines)
    at = sum(len(each) + 1 for each in lines[: found.new_lines])
    assert _damage(found) == [Damage(found.new_lines + 1, at, Reason.CUT)]
    again = _ingest(tmp_path, whole, "audit-1.log.x")
    assert (found.new_lines + again.new_lines, again.damage) == (len(lines), ())


def test_altered_compressed_log_is_named(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"\n".join(line(i) for i in range(5000)) + b"\n"))
    whole[len(whole) // 2] ^= 0xFF
    found = _ingest(tmp_path, bytes(whole), "audit-1.log.gz")
    assert [each.reason for each in _damage(found)][-1] is Reason.ALTERED


def test_last_line_of_ended_log_needs_no_newline(tmp_path: Path) -> None:
    found = _ingest(tmp_path, gzip.compress(line(1) + b"\n" + line(2)), "audit-1.log.gz")
    assert (found.new_lines, found.damage) == (2, ())


def test_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"audit-1\.log has no line of an audit log"):
        _ingest(tmp_path, json.dumps({"some": "text"}).encode() + b"\n")


@pytest.mark.parametrize(
    ("first", "name", "is_server_log", "message"),
    [
        ('"service":"shop"', "access.jsonl", True, r"has access records; name it with --records"),
        ('"type":"request"', "audit-1.log", False, r"is of an audit device; name it with --audit"),
    ],
)
def test_file_of_the_other_kind_is_refused(
    tmp_path: Path, first: str, name: str, is_server_log: bool, message: str
) -> None:
    path = tmp_path / name
    path.write_text(f'{{"time":"2026-11-28T06:49:37.548+00:00",{first},"operation":"x"}}\n')
    sources = [Source.server_log(path)] if is_server_log else find_records([path])
    with pytest.raises(ConfigurationError, match=message):
        ingest(sources, tmp_path / "store")
    assert not (tmp_path / "store" / "index.json").exists()
