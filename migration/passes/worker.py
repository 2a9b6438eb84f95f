"""Loop of a worker: batch after batch, at its pace, until the pass is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from migration.pace import Pace
from migration.passes.throttle import Reading

#: Seconds until a worker that must wait looks again.
_WAIT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """What a worker asks of the table and the machine.

    Attributes:
        run_batch: Runs one batch; returns None if no range is free now.
        is_done: Returns whether the pass is done, or the command is to end.
        throttle: Returns whether to wait, and the limit of the duty.
        probe: Runs one short transaction on the table, as the application does.
        clock: Returns monotonic seconds.
        sleep: Waits for that many seconds.

    """

    run_batch: Callable[[], object | None]
    is_done: Callable[[], bool]
    throttle: Callable[[], Reading]
    probe: Callable[[], object]
    clock: Callable[[], float]
    sleep: Callable[[float], object]


def measure_probes(site: Site, count: int) -> list[float]:
    """Return the seconds of *count* probes."""
    return [_time(site.probe, site.clock) for _ in range(count)]


def run(site: Site, pace: Pace) -> int:
    """Run batches until the pass is done, and return their number.

    A worker that finds no free range waits, because another one may leave the range that it holds.
    """
    batches = 0
    while not site.is_done():
        reading = site.throttle()
        if reading.reason is not None:
            site.sleep(_WAIT)
            continue
        pace.limit_duty(reading.duty)
        started = site.clock()
        if site.run_batch() is None:
            site.sleep(_WAIT)
            continue
        batches += 1
        seconds = site.clock() - started
        pace.observe(_time(site.probe, site.clock))
        site.sleep(pace.pause_after(seconds))
    return batches


def _time(call: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    call()
    return clock() - started
