"""Lines that a client made long or deep: what the server wrote in them stays."""

from __future__ import annotations

import json
from io import BytesIO
from random import Random
from typing import Any

import pytest

from vault.audit import line as lines
from vault.audit import line_cutter
from vault.audit.damage import Reason
from vault.audit.event_columns import LINES
from vault.audit.line import decode, read_lines, split_glued

TIME = "2026-05-01T12:00:00Z"
LONG = 2000  # bytes of a line that is not cut in these tests


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", LONG)
    monkeypatch.setattr(lines, "CHUNK", 7)
    for name, value in (("MAX_TEXT", 100), ("MAX_MEMBERS", 300), ("CHUNK", 7)):
        monkeypatch.setattr(line_cutter, name, value)


def nested(depth: int) -> Any:
    found: Any = {"deepest": 1}
    for level in range(depth):
        found = [found] if level % 2 else {"x": found}
    return found


def event(data: Any, **response: Any) -> dict[str, Any]:
    """Return a line as the server writes one, whose client has sent *data*."""
    return {
        "time": TIME,
        "type": "response",
        "auth": {"display_name": "approle", "policies": ["default", "shop-dev"]},
        "request": {"id": "i", "path": "auth/approle/login", "data": data, "address": "10.0.0.1"},
        "response": {"auth": {"accessor": "hmac-sha256:a"}, **response},
    }


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"k" * 5000: 1, "role_id": "r"}, id="one long name"),
        pytest.param({"k" * 5000: 1, "k" * 4999 + "l": 1, "role_id": "r"}, id="two of one start"),
        pytest.param({'<\\"\n\0é' * 900: 1, "role_id": "r"}, id="escapes"),
        pytest.param({"\\" * 5001: "\\" * 5000, "role_id": "r"}, id="backslashes"),
        pytest.param({f"k{number}": [number] for number in range(2000)}, id="many names"),
        pytest.param({"x": list(range(3000)), "y": {"z": list(range(3000))}}, id="long lists"),
        pytest.param({"x": nested(900), "y": "v" * 3000}, id="deep and long"),
        pytest.param({"x": {"time": TIME}, "k" * 5000: [{"time": TIME}]}, id="starts of lines"),
    ],
)
def test_long_line_keeps_what_the_server_wrote(data: Any) -> None:
    whole = event(data, warnings=["ignored: " + "k" * 9000])
    text = json.dumps(whole, separators=(",", ":")).encode()
    following = b'{"time":"2026"}'
    (cut, size), second = read_lines(BytesIO(text + b"\n" + following))
    assert (size, second) == (len(text) + 1, (following, len(following)))
    assert cut.endswith(b"}\n")
    assert len(cut) < LONG
    found = decode(cut.decode())
    for part in (whole, found):
        part["request"].pop("data")
        part["response"].pop("warnings")
    assert found == whole
    assert split_glued(cut) == [cut]


@pytest.mark.parametrize("end", [b"", b"\\", b'\\"x'], ids=["torn", "backslash", "after a quote"])
@pytest.mark.parametrize("is_glued", [False, True])
def test_torn_text_of_escaped_quotes_is_read_once(end: bytes, is_glued: bool) -> None:
    """A search that begins at each quote of a client's text would take hours, past any timeout."""
    whole = json.dumps(event({}), separators=(",", ":")).encode()
    start = whole.partition(b'"data":{')[0] + b'"data":{"'
    events, reason = LINES.judge(start + b'\\"' * 500_000 + end + (whole if is_glued else b""))
    assert (len(events), reason) == (is_glued, Reason.GLUED if is_glued else Reason.TORN)


def test_names_that_are_cut_stay_different_and_values_beside_them_stay() -> None:
    text = json.dumps(event({"k" * 3000: 1, "k" * 2999 + "l": 2, "secret_id": "s"})).encode()
    ((cut, _size),) = read_lines(BytesIO(text))
    data = decode(cut.decode())["request"]["data"]
    assert len(data) == 3
    assert data["secret_id"] == "s"
    assert sorted(map(len, data)) < [100, 300, 300]


@pytest.mark.parametrize("depth", [10, 400, 900, 5000, 50_000])
def test_deep_line_is_decoded_whatever_its_depth(depth: int) -> None:
    text = json.dumps(event("here")).replace('"here"', "[" * depth + "]" * depth)
    found = decode(text)
    assert found["request"]["address"] == "10.0.0.1"
    assert found["response"]["auth"] == {"accessor": "hmac-sha256:a"}


def test_number_of_many_digits_is_decoded() -> None:
    assert decode('{"a":%s,"b":17,"c":1e999}' % ("9" * 5000)) == {
        "a": "9" * 5000,
        "b": 17,
        "c": "1e999",
    }


def test_line_that_is_glued_to_a_long_torn_one_is_kept() -> None:
    whole = json.dumps(event({"x": 1}), separators=(",", ":")).encode()
    torn = json.dumps(event({"k" * 9000: 1}), separators=(",", ":")).encode()[:4000]
    ((cut, _size),) = read_lines(BytesIO(torn + whole + b"\n"))
    _torn, kept = split_glued(cut)
    assert decode(kept.decode()) == json.loads(whole)


def test_line_is_known_wherever_the_one_before_it_is_torn() -> None:
    forged = {"x": {"time": "1990-01-01T00:00:00Z", "type": "response"}}
    whole = json.dumps(event(forged), separators=(",", ":")).encode()
    assert split_glued(whole) == [whole]
    for size in range(1, len(whole)):
        assert split_glued(whole[:size] + whole)[-1] == whole, whole[:size]


def test_any_long_bytes_are_one_line_of_their_size() -> None:
    numbers = Random(1)  # noqa: S311 (reproducible)
    for _ in range(40):
        size = numbers.randrange(1, 3 * LONG)
        alphabet = numbers.choice([b'"\\{}[],:a', b'"', b"\\", b"[", b"}", bytes(range(11, 256))])
        data = bytes(numbers.choices(alphabet, k=size)) + b"\n"
        assert [found for _cut, found in read_lines(BytesIO(data * 2))] == [size + 1] * 2
