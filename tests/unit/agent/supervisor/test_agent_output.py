"""Tests of the copied output of agents."""

from __future__ import annotations

import asyncio
import os

import pytest

from agent.supervisor import agent_unit
from agent.supervisor.agent_unit import MAX_LINE, LineCopier, copy_output


def copy(*parts: bytes) -> bytes:
    written: list[bytes] = []
    copier = LineCopier("store", written.append)
    for part in parts:
        copier.data_received(part)
    copier.connection_lost(None)
    return b"".join(written)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], b""),
        ([b"one\n"], b"store: one\n"),
        ([b"one\ntwo\n"], b"store: one\nstore: two\n"),
        ([b"o", b"ne\ntw", b"o\n"], b"store: one\nstore: two\n"),
        ([b"no end"], b"store: no end\n"),
        ([b"\n\n"], b"store: \nstore: \n"),
        ([b"\xff\n"], b"store: \xff\n"),
    ],
)
def test_each_line_has_the_name_of_its_unit(parts: list[bytes], expected: bytes) -> None:
    assert copy(*parts) == expected


def test_line_that_does_not_end_is_split() -> None:
    lines = copy(b"x" * (MAX_LINE + 1), b"y\n").splitlines()
    assert lines == [b"store: " + b"x" * (MAX_LINE + 1), b"store: y"]


def test_last_line_is_written_before_the_output_closes(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    async def scenario() -> None:
        async with copy_output("store") as output:
            os.write(output, b"first\nlast")

    asyncio.run(scenario())
    assert capfdbinary.readouterr().err == b"store: first\nstore: last\n"


def test_output_that_another_process_keeps_open_delays_nothing_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_unit, "_DRAIN_SECONDS", 0.0)
    kept: list[int] = []

    async def scenario() -> None:
        async with copy_output("store") as output:
            kept.append(os.dup(output))

    asyncio.run(scenario())
    with pytest.raises(BrokenPipeError):
        os.write(kept[0], b"x")
    os.close(kept[0])
