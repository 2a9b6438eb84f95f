"""Tests of calls in daemon threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.supervisor.daemon_thread import call_in_thread
from tests.support.processes.unit_files import PATIENCE, until


def test_result_and_error_reach_the_caller() -> None:
    def fail() -> None:
        raise KeyError("x")

    assert asyncio.run(call_in_thread(lambda: threading.current_thread().daemon)) is True
    with pytest.raises(KeyError):
        asyncio.run(call_in_thread(fail))


def test_call_that_hangs_blocks_neither_others_nor_the_end_of_the_loop() -> None:
    release, ended = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(PATIENCE)
        ended.set()

    async def scenario() -> int:
        hanging = [asyncio.create_task(call_in_thread(hang)) for _ in range(50)]
        result = await call_in_thread(lambda: 42)
        assert not any(task.done() for task in hanging)
        return result

    try:
        assert asyncio.run(scenario()) == 42
        assert not ended.is_set()
    finally:
        release.set()
    assert ended.wait(PATIENCE)


def test_result_of_a_cancelled_call_is_dropped() -> None:
    async def scenario() -> None:
        release, done = threading.Event(), threading.Event()

        def work() -> None:
            release.wait(PATIENCE)
            done.set()

        task = asyncio.create_task(call_in_thread(work))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        release.set()
        await until(done.is_set)
        assert task.cancelled()

    asyncio.run(scenario())
