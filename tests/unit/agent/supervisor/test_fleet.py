"""Tests of which units start, change and stop, with units that run nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.supervisor.fleet import Fleet
from agent.supervisor.unit_file import UnitFile, find_unit_files
from tests.support.processes.unit_files import until, write_unit


@dataclass
class Units:
    """Units that record their starts and stops, and wait for *may_stop* before they stop."""

    events: list[tuple[str, str]] = field(default_factory=list)
    may_stop: asyncio.Event = field(default_factory=asyncio.Event)
    broken: frozenset[str] = frozenset()

    async def run(self, file: UnitFile) -> None:
        self.events.append(("start", file.name))
        if file.name in self.broken:
            raise KeyError("s.secret")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.may_stop.wait()
            self.events.append(("stop", file.name))

    def take(self) -> list[tuple[str, str]]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(folder: Path, scenario: Callable[[Fleet, Units], Awaitable[None]]) -> None:
    async def run_scenario() -> None:
        units = Units()
        units.may_stop.set()
        await scenario(Fleet(folder, units.run), units)

    asyncio.run(run_scenario())


async def reconcile(fleet: Fleet) -> None:
    fleet.reconcile()
    await settle()


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_each_file_starts_one_unit(tmp_path: Path, count: int) -> None:
    names = [f"s{number:02}" for number in range(count)]

    async def scenario(fleet: Fleet, units: Units) -> None:
        for name in names:
            write_unit(tmp_path / name)
        await reconcile(fleet)
        await reconcile(fleet)
        assert units.take() == [("start", name) for name in names]

    run(tmp_path, scenario)


def test_changed_content_restarts_that_unit_only(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        for name in ("a", "b"):
            write_unit(tmp_path / name)
        await reconcile(fleet)
        units.take()
        write_unit(tmp_path / "b", generation="g2")
        await reconcile(fleet)
        assert units.take() == [("stop", "b"), ("start", "b")]

    run(tmp_path, scenario)


def test_same_content_written_again_restarts_nothing(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        path = write_unit(tmp_path / "a")
        await reconcile(fleet)
        units.take()
        os.utime(path, ns=(1, 1))
        await reconcile(fleet)
        path.unlink()
        write_unit(tmp_path / "a")
        await reconcile(fleet)
        assert units.take() == []

    run(tmp_path, scenario)


@pytest.mark.parametrize("whole_folder", [False, True])
def test_removed_file_stops_that_unit_only(tmp_path: Path, *, whole_folder: bool) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        for name in ("a", "b"):
            write_unit(tmp_path / name)
        await reconcile(fleet)
        units.take()
        if whole_folder:
            shutil.rmtree(tmp_path / "a")
        else:
            (tmp_path / "a" / "run.json").unlink()
        await reconcile(fleet)
        assert units.take() == [("stop", "a")]
        write_unit(tmp_path / "a")
        await reconcile(fleet)
        assert units.take() == [("start", "a")]

    run(tmp_path, scenario)


def test_unit_that_stops_slowly_delays_its_own_restart_only(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        write_unit(tmp_path / "a")
        await reconcile(fleet)
        units.may_stop.clear()
        for generation in ("g2", "g3", "g4"):
            write_unit(tmp_path / "a", generation=generation)
            write_unit(tmp_path / f"new-{generation}")
            await reconcile(fleet)
        started = [("start", name) for name in ("a", "new-g2", "new-g3", "new-g4")]
        assert units.take() == started
        units.may_stop.set()
        await settle()
        assert units.take() == [("stop", "a"), ("start", "a")]

    run(tmp_path, scenario)


def test_unit_added_again_waits_for_the_end_of_the_one_before(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        path = write_unit(tmp_path / "a")
        await reconcile(fleet)
        units.may_stop.clear()
        path.unlink()
        await reconcile(fleet)
        write_unit(tmp_path / "a")
        await reconcile(fleet)
        assert units.take() == [("start", "a")]
        units.may_stop.set()
        await settle()
        assert units.take() == [("stop", "a"), ("start", "a")]

    run(tmp_path, scenario)


def test_unit_that_raises_is_logged_without_its_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        units.broken = frozenset({"a"})
        for name in ("a", "b"):
            write_unit(tmp_path / name)
        await reconcile(fleet)
        await reconcile(fleet)
        assert units.take() == [("start", "a"), ("start", "b")]

    run(tmp_path, scenario)
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["unit"], event["kind"]) == ("unit_failed", "a", "KeyError")
    assert "s.secret" not in str(event)


def test_folder_that_cannot_be_read_stops_nothing_and_is_logged_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "units"

    async def scenario(fleet: Fleet, units: Units) -> None:
        write_unit(folder / "a")
        await reconcile(fleet)
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("a file")
        await reconcile(fleet)
        await reconcile(fleet)
        assert units.take() == [("start", "a")]

    run(folder, scenario)
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["reason"]) == ("scan_failed", "Not a directory")


def test_cancelled_fleet_stops_all_units_at_the_same_time(tmp_path: Path) -> None:
    async def scenario(fleet: Fleet, units: Units) -> None:
        for name in ("a", "b", "c"):
            write_unit(tmp_path / name)
        running = asyncio.create_task(fleet.run())
        await until(lambda: len(units.events) == 3)
        units.take()
        units.may_stop.clear()
        running.cancel()
        await settle()
        assert not running.done()
        units.may_stop.set()
        await asyncio.wait([running])
        assert sorted(units.take()) == [("stop", name) for name in ("a", "b", "c")]

    run(tmp_path, scenario)


#: What may happen to a unit; numbers are the generations written to its file.
CHANGES = st.one_of(st.integers(0, 2), st.sampled_from(["remove", "touch"]))


#: A unit, its change, and whether units that are stopped hang from then on.
STEP = st.tuples(st.sampled_from("ab"), CHANGES, st.booleans())


@given(steps=st.lists(STEP, max_size=8))
@settings(max_examples=60)
def test_units_agree_with_their_files_after_any_changes(
    steps: list[tuple[str, object, bool]],
) -> None:
    async def scenario(folder: Path) -> None:
        running: dict[str, str] = {}
        overlaps: list[str] = []
        may_stop = asyncio.Event()

        async def run_unit(file: UnitFile) -> None:
            if file.name in running:
                overlaps.append(file.name)
            running[file.name] = file.generation
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await may_stop.wait()
                del running[file.name]

        fleet = Fleet(folder, run_unit)
        for name, change, hangs in steps:
            (may_stop.clear if hangs else may_stop.set)()
            apply_change(folder / name, change)
            await reconcile(fleet)
        may_stop.set()
        await reconcile(fleet)
        files = [UnitFile.read(path) for path in find_unit_files(folder)]
        assert overlaps == []
        assert running == {file.name: file.generation for file in files}

    with TemporaryDirectory() as name:
        asyncio.run(scenario(Path(name)))


def apply_change(folder: Path, change: object) -> None:
    path = folder / "run.json"
    if isinstance(change, int):
        write_unit(folder, generation=f"g{change}")
    elif change == "remove":
        path.unlink(missing_ok=True)
    elif path.exists():
        path.touch()
