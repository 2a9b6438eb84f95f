"""Tests of the bound on parallel starts."""

from __future__ import annotations

import asyncio

from agent.supervisor.start_limit import StartLimit
from tests.support.processes.unit_files import until


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_starts_beyond_the_limit_wait_in_their_order() -> None:
    async def scenario() -> None:
        limit, started = StartLimit(2, 600.0), list[int]()

        async def start(number: int) -> None:
            slot = await limit.acquire()
            started.append(number)
            await ends[number].wait()
            slot.release()

        ends = [asyncio.Event() for _ in range(4)]
        tasks = [asyncio.create_task(start(number)) for number in range(4)]
        await _settle()
        assert started == [0, 1]
        ends[1].set()
        await _settle()
        assert started == [0, 1, 2]
        for end in ends:
            end.set()
        await asyncio.wait(tasks)
        assert started == [0, 1, 2, 3]

    asyncio.run(scenario())


def test_slot_is_released_once() -> None:
    async def scenario() -> None:
        limit = StartLimit(1, 600.0)
        slot = await limit.acquire()
        slot.release()
        slot.release()
        await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        await _settle()
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scenario())


def test_slot_has_another_time_limit_during_a_login() -> None:
    async def scenario() -> None:
        limit = StartLimit(1, 600.0)
        slot = await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        with slot.limit(600.0):
            await _settle()
        await _settle()
        assert not waiting.done()
        with slot.limit(0.0):
            await until(waiting.done)
        slot.release()
        third = asyncio.create_task(limit.acquire())
        await _settle()
        assert not third.done()
        third.cancel()

    asyncio.run(scenario())


def test_slot_of_a_start_that_hangs_is_released_when_its_time_is_over() -> None:
    async def scenario() -> None:
        limit = StartLimit(1, 0.0)
        hanging = await limit.acquire()
        waiting = asyncio.create_task(limit.acquire())
        await until(waiting.done)
        assert waiting.result() is not hanging

    asyncio.run(scenario())
