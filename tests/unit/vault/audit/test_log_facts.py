"""Facts of a log, whatever the pieces in which it is read."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models.audit_archive import at, line
from vault.audit.archive import log_facts
from vault.audit.archive.log_facts import LogFacts, LogScanner, scan_file

FIRST: Final = at(1)
LAST: Final = at(1) + timedelta(microseconds=1)
LOG: Final = b"\n".join(
    [
        b'{"time":"2026-01-02T00:00:00.000001Z","type":"request"}',
        # Trailing zeros are cut, so that as text it is after the line before.
        b'{"time":"2026-01-02T00:00:00Z","type":"request"}',
        b'{"type":"response","time":"2026-01-02T00:00:00.0000005Z"}',  # as Vault orders the keys
        b'{"time":"2026-01-02T00:00:00.00',
        b"",
        b"no line of a log",
    ]
)


def facts(*pieces: bytes) -> LogFacts:
    scanner = LogScanner()
    for piece in pieces:
        scanner.feed(piece)
    return scanner.facts()


@given(st.lists(st.integers(0, len(LOG)), max_size=6))
def test_facts_do_not_depend_on_the_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LOG)]
    pieces = [LOG[start:end] for start, end in pairwise(edges)]
    assert facts(*pieces) == LogFacts(hashlib.sha256(LOG).hexdigest(), len(LOG), 6, FIRST, LAST)


def test_line_with_its_end_and_one_without_count_once() -> None:
    assert [facts(text).lines for text in (b"", b"a", b"a\n", b"a\nb", b"\n")] == [0, 1, 1, 2, 1]


def test_times_of_a_torn_line_and_of_the_one_glued_to_it_are_known() -> None:
    glued = line(at(2))[:60] + line(at(4))
    found = facts(glued)
    assert (found.lines, found.first, found.last) == (1, at(2), at(4))


@pytest.mark.parametrize(
    "text",
    [
        b'{"time":5}',
        b'{"time":"2026-13-40T00:00:00Z"}',
        b"[1]",
        b'{"time":"2026-01-01"}',
        b'{"time":"2026-\xff"}',
        b'{"time":"9999-12-31T23:59:59-10:00"}',
        b'{"data":' + b"[" * 2000 + b"]" * 2000 + b',"time":"2026-01-01T00:00:00Z"}',
    ],
    ids=range(7),
)
def test_line_without_a_time_has_none(text: bytes) -> None:
    found = facts(text)
    assert (found.lines, found.first, found.last) == (1, None, None)


def test_facts_of_a_line_that_is_too_long_do_not_depend_on_the_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_facts, "MAX_LINE", 100)
    text = b'{"data":[%s1],"time":"2026-01-01T00:00:00Z"}\n' % (b"1," * 100)
    assert facts(text) == facts(*[text[at : at + 1] for at in range(len(text))])


def test_file_has_the_facts_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(LOG * 2)
    assert scan_file(path) == facts(LOG * 2)
