"""One verdict on a line: each door that reads audit logs has the same, and the same fields."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import duckdb
import pytest

from app_integration.errors import ConfigurationError
from tests.support.models.audit_lines import SALT, line, program, secret
from vault.audit.archive.log_facts import LogScanner
from vault.audit.event_columns import EXPRESSIONS
from vault.audit.event_file import EventFile
from vault.audit.ingest.conversion import Converter
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.kind import LINES, RECORDS, Kind
from vault.audit.ingest.line_check import Cleaned, clean
from vault.audit.ingest.source import Source
from vault.audit.line import parse_time
from vault.rotation.audit_response import Response
from vault.rotation.response_log import FileLog
from vault.rotation.stored_log import StoredLog

COUNT: Final = 10_000
#: Lines that DuckDB is asked about one by one.
ALONE: Final = 120
#: Lines of a file, small so that a difference is seen.
FEW: Final = 8
FORGED: Final = '{"time":"1990-01-01T00:00:00Z","type":"response","request":{"path":"forged"}}'
VALUES: Final = (
    *("null", "true", "false", "0", "1", "-1", "1.5", "2.5", "1e30", "1e999", "9" * 400, "NaN"),
    *("-inf", "nan", "9223372036854775807", "9223372036854775808"),
    *('"7"', '" 7 "', '"0x10"', '"+7"', '"007"', '""', '"x"', '"yes"', '"hmac-sha256:aa"'),
    *("[]", "{}", '[1,"a",null,{}]', '[{"v":1}]', '{"version":4}', '{"version":"5"}'),
    '[{"key_version":2},null,{"key_version":"3"},7]',
)
#: Keys of a line that a change may be of.
NAMES: Final = [
    "time",
    "type",
    "error",
    "auth",
    "request",
    "response",
    "data",
    "metadata",
    "path",
    "operation",
    "id",
    "namespace",
    "policies",
    "token_ttl",
    "allowed",
    "version",
    "host",
    "role_name",
    "key_version",
    "policy_results",
    "keys",
    "accessor",
    "token_issue_time",
]
TIMES: Final = (
    *("2026-05-01T12:00:00.123456789Z", "2026-05-01T14:00:00.5+02:00", "2026-05-01T12:00:00-00:00"),
    *("2026-05-01 12:00:00Z", "2026-05-01", "2026-05-01T12:00:00", "2026-05-01T12:00Z", "infinity"),
    *("2026-05-01T24:00:00Z", "2026-05-01T12:00:60Z", "2026-05-01T12:00:00+24:00", "epoch", "now"),
    *("2026-05-01T12:00:00,5Z", "2026-05-01T12:00:00.1234567891Z", "2026-02-30T12:00:00Z", "x"),
    *("0001-01-01T00:00:00Z", "1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "20260501T120000Z"),
    *("1678-01-01T00:00:00+23:59", "2261-12-31T23:59:59-23:59"),
    *("9999-12-31T23:59:59-10:00", "2026-05-01T12:00:00z", " 2026-05-01T12:00:00Z", ""),
    *("2026-W18-5T12:00:00Z", "2026-05-01T12:00:00\\u005a", "\u0662026-05-01T12:00:00Z"),
)


def dump(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def whole_line(numbers: Random, number: int) -> dict[str, Any]:
    """Return a line as the server writes one, of a path of its own."""
    auth = program(
        f"role-{number % 7}",
        numbers.choice([None, "web-1", f"{SALT}host"]),
        f"t{number % 50}",
        token_ttl=60,
        policies=["default", "shop-dev"],
        token_issue_time=numbers.choice(["2026-05-01T14:00:00+02:00", "0001-01-01T00:00:00Z"]),
    )
    forged: list[Any] = [
        None,
        {"x": FORGED},
        json.loads(FORGED),
        [json.loads(FORGED)],
        {"accessor": SALT, "deep": "here"},
    ]
    return line(
        f"secret/data/{number}",
        numbers.choice(["read", "list", "update"]),
        time=f"2026-05-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.5Z",
        kind=numbers.choice(["response", "response", "request"]),
        auth=auth,
        response=numbers.choice(
            [
                *(secret(number % 9), None, {"wrap_info": {"ttl": 60}}, {"data": [1]}),
                {"data": {"key_version": 2, "batch_results": [{"key_version": 5}, {"error": "x"}]}},
                {"data": {"error": "x"}, "auth": {"accessor": SALT, "token_ttl": 5}},
                {"data": {"http_status_code": 404}, "secret": {"lease_id": "l"}},
                {"data": {"keys": ["a", "b"]}},
            ]
        ),
        error=numbers.choice([None, None, None, "permission denied"]),
        id=str(UUID(int=number)),
        data=numbers.choice(forged),
        namespace=numbers.choice([{"id": "root"}, {"id": "i", "path": "team/"}]),
    )


def change(numbers: Random, text: bytes, other: bytes) -> bytes:
    """Return a line as a disk, a program or a client may have made it of *text*."""
    at = numbers.randrange(1, len(text))
    end = at + numbers.randrange(1, 200)
    put = numbers.choice(
        [
            *(b'"', b"{", b"}", b",", b"[" * 2000, b"\xff", b"\0", b"\\", b"\\u0000", b"\\ud800"),
            *(b"NaN", b"-inf", b"[nan, 1, ]", b"1e999", b"\t", b"\r", b"\x0c", b"\xef\xbb\xbf"),
            *(b"\xed\xa0\x80", other),
            *(b"k" * 9_999, b"9" * 5000, text[at:end], FORGED.encode(), numbers.randbytes(5)),
        ]
    )
    name = numbers.choice(NAMES).encode()
    value = numbers.choice(VALUES).encode()
    if name in (b"data", b"metadata"):  # of an object in place of a text, DuckDB keeps the text
        value = numbers.choice([value, b'{"version":1,"version":2}'])
    quoted = b'"' + numbers.choice(TIMES).encode() + b'"'
    mark = b'"%s":' % name
    deep = b"[" * 250 + b"]" * 250
    return numbers.choice(
        [
            text,  # whole
            text[:at],  # torn
            text[:at] + other,  # glued to a torn one
            text + other,
            text[:at] + put + text[at:],
            text[:at] + put + text[end:],
            text[:at] + text[end:],
            text.replace(mark, mark + value + b',"was":', 1),  # of another type
            text.replace(mark, mark + value + b"," + mark, 1),  # twice
            text.replace(b"}", b"," + mark + value + b"}", 1),
            text.replace(b'{"time":', b'{"time":' + quoted + b',"was":', 1),
            text.replace(b'"token_issue_time":', b'"token_issue_time":' + quoted + b',"was":', 1),
            text.replace(b'"here"', deep),
            numbers.choice([b"\xef\xbb\xbf", b"\x0c", b" ", b"\0", b"\r"]) + text,
            text + numbers.choice([b"\0", b" ", b"\r", b"x", b",", b"\x0c"]),
            numbers.choice([b"", b"  ", b"\r", b"\x0c", b"null", b"[]", b"{}", b"17", b"# x"]),
        ]
    )


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    numbers = Random(44)  # noqa: S311 (reproducible)
    texts = [dump(whole_line(numbers, number)) for number in range(COUNT)]
    found = [change(numbers, text, numbers.choice(texts)) for text in texts]
    return [each.replace(b"\n", b"") for each in found]


def cleaned(data: bytes, kind: Kind = LINES) -> Cleaned:
    return clean(BytesIO(data), kind.grammar, 1, 0)


@pytest.fixture(scope="module")
def verdicts(lines: list[bytes]) -> list[Cleaned]:
    """Return what a cleaning pass says of each line."""
    return [cleaned(each + b"\n") for each in lines]


def is_accepted(verdict: Cleaned) -> bool:
    return bool(verdict.good) and not verdict.damage


def is_plain(text: bytes) -> bool:
    """Return whether DuckDB should take a line as it is."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    with suppress(ValueError):
        found = json.loads(text.decode(), object_pairs_hook=unique)  # no byte order mark either
        parts = (found.get("request"), found.get("response"), found.get("auth"))
        data = ((part or {}).get(name, {}) for part in parts for name in ("data", "metadata"))
        return found["time"].endswith("Z") and all(isinstance(each, dict) for each in data)
    return False


def times(verdict: Cleaned) -> list[datetime]:
    found = (parse_time(json.loads(each)["time"]) for each in verdict.good)
    return [each for each in found if each is not None]


def test_each_verdict_occurs(verdicts: list[Cleaned]) -> None:
    reasons = {each.reason.name for found in verdicts for each in found.damage}
    assert reasons == {"TORN", "GLUED", "MALFORMED", "NOT_UTF8", "NO_TIME", "WRONG_TYPE", "NUL"}
    assert sum(map(is_accepted, verdicts)) > COUNT / 5
    assert sum(bool(each.damage) for each in verdicts) > COUNT / 5
    assert sum(each.rescued for each in verdicts) > COUNT / 20
    assert sum(each.blank for each in verdicts) > COUNT / 100


def test_ledger_has_the_verdict_of_the_ingest(
    lines: list[bytes], verdicts: list[Cleaned], tmp_path: Path
) -> None:
    for start in range(0, COUNT, FEW):
        path = tmp_path / f"{start}.log"  # a new one, because truncating one takes longer
        path.write_bytes(b"".join(each + b"\n" for each in lines[start : start + FEW]))
        few = verdicts[start : start + FEW]
        moments = [time for each in few for time in times(each)]
        for wanted in (True, False):
            file = EventFile(path)
            with suppress(ConfigurationError):  # of a file without a line
                list(file.responses(lambda _: wanted))  # noqa: B023 (called at once)
            assert (file.lines, file.skipped, file.first, file.last) == (
                *(sum(len(each.good) for each in few), sum(len(each.damage) for each in few)),
                *(min(moments, default=None), max(moments, default=None)),
            ), (wanted, path.read_bytes())
        path.unlink()


def test_archive_counts_each_line_and_has_the_times_of_the_ledger(
    lines: list[bytes], verdicts: list[Cleaned]
) -> None:
    """Of a client's text that looks like the start of a line, the chain has the time, too."""
    for text, verdict in zip(lines, verdicts, strict=True):
        scanner = LogScanner()
        scanner.feed(text + b"\n")
        facts = scanner.facts()
        assert facts.lines == 1
        if is_accepted(verdict) and text.startswith(b'{"time":') and text.count(b'"time":') == 1:
            assert [facts.first, facts.last] == times(verdict) * 2, text


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes, Kind], Any]]:
    """Return a function that returns the rows that DuckDB makes of a file; None if it refuses it.

    The query is that of the ingest, whose rows are in the order of the lines here.
    """
    folder = tmp_path_factory.mktemp("duckdb")
    numbers = count()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        converter = Converter(connection, folder)

        def run(data: bytes, kind: Kind) -> Any:
            source, rows = folder / f"{next(numbers)}.json", folder / f"{next(numbers)}.parquet"
            source.write_bytes(data)
            if converter.convert(source, kind, None, rows) is None:
                return None
            return connection.execute(f"SELECT * FROM '{rows}'").fetchall()

        yield run


def test_duckdb_takes_no_damaged_line(
    lines: list[bytes], verdicts: list[Cleaned], ask: Callable[[bytes, Kind], Any]
) -> None:
    damaged = [text for text, found in zip(lines, verdicts, strict=True) if found.damage]
    for text in Random(1).sample(damaged, ALONE):  # noqa: S311 (reproducible)
        assert not ask(text + b"\n", LINES), text


def test_duckdb_makes_the_same_columns_of_a_line_as_of_a_cleaned_one(
    lines: list[bytes], verdicts: list[Cleaned], ask: Callable[[bytes, Kind], Any]
) -> None:
    def compare(pairs: list[tuple[bytes, bytes]]) -> int:
        """Return the number of lines that DuckDB takes as they are, compared by halves."""
        of_cleaned = ask(b"".join(data + b"\n" for _, data in pairs), LINES)

        def compare_part(part: slice) -> int:
            rows = ask(b"".join(text + b"\n" for text, _ in pairs[part]), LINES)
            if rows is None:
                half = (part.start + part.stop) // 2
                halves = (slice(part.start, half), slice(half, part.stop))
                return sum(map(compare_part, halves)) if half > part.start else 0
            for (text, _), found, expected in zip(pairs[part], rows, of_cleaned[part], strict=True):
                assert dict(zip(EXPRESSIONS, found, strict=True)) == dict(
                    zip(EXPRESSIONS, expected, strict=True)
                ), text
            return len(rows)

        return compare_part(slice(0, len(pairs)))

    pairs = [
        (text, found.good[0])
        for text, found in zip(lines, verdicts, strict=True)
        if is_accepted(found)
    ]
    # DuckDB refuses most of the others, and each costs a search for it.
    plain = [each for each in pairs if is_plain(each[0])]
    others = [each for each in pairs if not is_plain(each[0])]
    compare(Random(1).sample(others, ALONE // 4))  # noqa: S311 (reproducible)
    assert compare([next(each for each in others if each[0].startswith(BOM_UTF8))]) == 1
    assert sum(compare(plain[at : at + 256]) for at in range(0, len(plain), 256)) > len(plain) * 0.9
    with_damage = b"".join(each + b"\n" for found in verdicts for each in found.good)
    assert len(ask(with_damage, LINES)) == sum(len(each.good) for each in verdicts)


def test_store_and_files_have_the_same_responses(lines: list[bytes], tmp_path: Path) -> None:
    first = dump(line("first"))
    path, store = tmp_path / "audit-1.log", tmp_path / "store"
    path.write_bytes(b"\n".join([first, *lines[::2], b""]))
    paths = {*(f"secret/data/{number}" for number in range(COUNT)), "first"}
    for namespace in ("", "team"):
        of_files = FileLog.of([path], namespace)
        of_store = StoredLog(store, namespace, lambda: ingest([Source.server_log(path)], store))
        in_files, in_store = (
            {
                replace(each, id="")
                for each in log.responses(paths, by_token=True)
                if each.path in paths
            }
            for log in (of_files, of_store)
        )
        assert in_files ^ in_store == set()
        assert len(in_files) > COUNT / 40
        (file,), (stored,) = of_files.files, of_store.files
        assert (file.lines, file.skipped) == (stored.lines, stored.skipped)
        assert (file.first, file.last) == (stored.first, stored.last)


@pytest.mark.parametrize("time", TIMES)
def test_record_has_one_verdict_on_its_time(time: str, ask: Callable[[bytes, Kind], Any]) -> None:
    text = f'{{"time":"{time}","operation":"fetch","service":"shop"}}\n'.encode()
    verdict, rows = cleaned(text, RECORDS), ask(text, RECORDS)
    if verdict.damage:
        assert not rows
    else:
        assert rows == ask(verdict.good[0], RECORDS)


def read_by_both(folder: Path, text: bytes) -> list[Response]:
    """Return the only response of a log with one line, as its file and as a store of it have it."""
    path, store = folder / "audit-1.log", folder / "store"
    path.write_bytes(text + b"\n")
    stored = StoredLog(store, "", lambda: ingest([Source.server_log(path)], store))
    found = []
    for log in (FileLog.of([path]), stored):
        (only,) = log.responses(["x"], by_token=False)
        found.append(only)
    return found


def test_name_that_occurs_twice_has_its_last_value_everywhere(tmp_path: Path) -> None:
    document = dump(line("x", response=secret(1)))
    text = document.replace(b'"version":1', b'"version":1,"version":2').replace(
        b'"operation":"read"', b'"operation":"list","operation":"read"'
    )
    found = [(each.operation, each.secret_version) for each in read_by_both(tmp_path, text)]
    assert found == [("read", 2)] * 2


def test_offset_of_a_time_counts_everywhere(tmp_path: Path) -> None:
    text = dump(line("x", response=secret(1), time="2026-05-01T14:00:00.25+02:00"))
    time = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert [each.time for each in read_by_both(tmp_path, text)] == [time] * 2


def test_null_among_policies_is_left_out_everywhere(tmp_path: Path) -> None:
    path, store = tmp_path / "audit-1.log", tmp_path / "store"
    auth = program("shop-dev", policies=["default", None, "shop-dev"])
    path.write_bytes(dump(line("x", response=secret(1), auth=auth)) + b"\n")
    stored = StoredLog(store, "", lambda: ingest([Source.server_log(path)], store))
    for log in (FileLog.of([path]), stored):
        (found,) = log.responses(["x"], by_token=True)
        assert found.policies == ("default", "shop-dev")


def test_line_that_was_read_while_it_was_written_is_no_damage(tmp_path: Path) -> None:
    path, text = tmp_path / "audit-1.log", dump(line("x", response=secret(1))) + b"\n"
    path.write_bytes(text + text[:40])
    file = EventFile(path)
    assert len(list(file.responses(lambda _: True))) == 1
    assert (file.lines, file.skipped) == (1, 1)
    assert list(file.responses(lambda _: True)) == []
    assert (file.lines, file.skipped) == (1, 1)
    path.write_bytes(text + text)
    assert len(list(file.responses(lambda _: True))) == 1
    assert (file.lines, file.skipped) == (2, 0)


def test_time_of_issue_that_is_none_is_unknown(tmp_path: Path) -> None:
    auth = program("shop-dev", token_issue_time="yesterday")
    path = tmp_path / "audit-1.log"
    path.write_bytes(dump(line("x", response=secret(1), auth=auth)) + b"\n")
    (found,) = FileLog.of([path]).responses(["x"], by_token=True)
    assert isinstance(found, Response)
    assert found.token_issued is None
