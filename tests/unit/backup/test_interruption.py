"""Signals that end a command, and wait while something is created or removed."""

from __future__ import annotations

import os
import signal

import pytest

from backup.interruption import ended_by_signals, uninterrupted


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_block_and_its_handler_is_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        send(number)
    assert signal.getsignal(number) is before


def send_in_uninterrupted_blocks(steps: list[str]) -> None:
    with uninterrupted():
        with uninterrupted():
            send(signal.SIGTERM)
            steps.append("inner")
        steps.append("outer")
    steps.append("after")


def test_signal_waits_for_the_end_of_an_uninterrupted_block() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        send_in_uninterrupted_blocks(steps)
    assert steps == ["inner", "outer"]


def send_twice(steps: list[str]) -> None:
    try:
        send(signal.SIGTERM)
    finally:
        send(signal.SIGTERM)
        steps.append("cleaned up")


def test_second_signal_does_not_interrupt_the_cleanup() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        send_twice(steps)
    assert steps == ["cleaned up"]
