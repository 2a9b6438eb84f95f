"""A background thread: when it starts, when it calls its work, when it ends."""

from __future__ import annotations

import gc
import threading

from app_integration._internal.background_worker import BackgroundWorker

PATIENCE = 10.0  # seconds


class CountingWork:
    """A worker that counts the calls of its work, and can wait for the second call."""

    def __init__(self, pause: float, *, weak: bool = False) -> None:
        self.pause = pause
        self.calls = 0
        self.called = threading.Event()
        self.worker = BackgroundWorker(self.work, "counting", weak=weak)

    def work(self) -> float:
        self.calls += 1
        self.called.set()
        return self.pause


def test_worker_not_started_has_no_thread() -> None:
    assert not CountingWork(60.0).worker.is_running


def test_worker_woken_calls_its_work_at_once() -> None:
    counting = CountingWork(60.0)
    for calls in (1, 2):
        counting.called.clear()
        counting.worker.wake()
        assert counting.called.wait(PATIENCE)
        assert counting.calls == calls
    counting.worker.close()


def test_worker_started_for_later_waits_until_it_is_woken() -> None:
    counting = CountingWork(60.0)
    counting.worker.start(60.0)
    assert counting.worker.is_running
    assert counting.calls == 0
    counting.worker.wake()
    assert counting.called.wait(PATIENCE)
    counting.worker.close()


def test_worker_closed_ends_its_thread_and_starts_no_other() -> None:
    counting = CountingWork(60.0)
    counting.worker.wake()
    assert counting.called.wait(PATIENCE)
    thread = counting.worker._thread
    counting.worker.close()
    assert thread is not None
    thread.join(PATIENCE)
    assert not thread.is_alive()
    late = CountingWork(60.0)
    late.worker.close()
    late.worker.wake()
    assert not late.worker.is_running


def test_worker_weak_ends_when_its_object_is_deleted() -> None:
    counting = CountingWork(0.01, weak=True)
    counting.worker.wake()
    assert counting.called.wait(PATIENCE)
    thread = counting.worker._thread
    del counting
    gc.collect()
    assert thread is not None
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_worker_reset_after_a_fork_has_no_thread() -> None:
    counting = CountingWork(60.0)
    counting.worker.start(60.0)
    thread, wanted = counting.worker._thread, counting.worker._wake_event
    counting.worker.reset_after_fork()
    assert not counting.worker.is_running
    counting.worker.close()
    wanted.set()  # ends the thread, which a real fork would not have copied
    assert thread is not None
    thread.join(PATIENCE)
