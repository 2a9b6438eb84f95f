"""Findings about audit devices, and how the newest request is looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.models.audit_archive import Device
from vault.audit.archive.devices import DeviceState, compare_devices

STATE: Final = DeviceState(Path("/a.log"), exists=True, has_request=True, size=1, free=5_000_000)
MIN_FREE: Final = 2_000_000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"free": MIN_FREE}, []),
        ({"free": MIN_FREE - 1}, ["1 MB are free on its disk, less than 2 MB; make room"]),
        ({"has_request": False}, ["does not have the request that the server has just answered"]),
        ({"has_request": None}, []),  # the request itself is the finding
        ({"exists": False, "has_request": False}, ["does not exist"]),
        ({"has_request": False, "free": 0}, ["does not have the request", "0 MB are free"]),
    ],
    ids=str,
)
def test_state_has_the_findings(changes: dict[str, Any], expected: list[str]) -> None:
    found = list(replace(STATE, **changes).findings(MIN_FREE))
    assert len(found) == len(expected)
    assert all(text in finding for text, finding in zip(expected, found, strict=True))


def request(write: Callable[[], object]) -> Callable[[], str]:
    def send() -> str:
        write()
        return "7"

    return send


def compare(path: Path, write: Callable[[], object]) -> bool | None:
    (state,) = compare_devices([path], request(write), deadline=0, sleep=lambda _: None)
    return state.has_request


@pytest.fixture
def device(tmp_path: Path) -> Device:
    created = Device(tmp_path / "audit.log")
    created.file.close()
    return created


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"request":{"id":"7"}}\n')


def test_request_in_the_log_is_found_and_one_from_before_is_not(device: Device) -> None:
    append(device.path)
    assert compare(device.path, lambda: None) is False
    assert compare(device.path, lambda: append(device.path)) is True


def test_log_that_is_missing_for_a_moment_is_looked_for_again(device: Device) -> None:
    moved = device.path.rename(device.path.with_suffix(".old"))
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        moved.rename(device.path)

    append_here = request(lambda: append(device.path if device.path.exists() else moved))
    (state,) = compare_devices([device.path], append_here, deadline=0, sleep=sleep)
    assert (state.is_written, len(pauses)) == (True, 1)


def test_log_that_is_renamed_meanwhile_counts_with_both_names(device: Device) -> None:
    def rotate(*, is_before: bool) -> None:
        if is_before:
            append(device.path)
        device.path.rename(device.path.with_suffix(".old"))
        device.path.touch()
        if not is_before:
            append(device.path)

    assert compare(device.path, lambda: rotate(is_before=True)) is True
    assert compare(device.path, lambda: rotate(is_before=False)) is True
    device.path.unlink()
    assert compare(device.path, lambda: None) is False
