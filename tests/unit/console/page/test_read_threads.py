"""Threads in which sources are read: the end of the page waits for them, but not for ever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from app_integration.errors import Unreachable
from app_integration.names import Environment
from app_integration.session.session import Session
from console import operate
from console.page.sources.read_threads import ReadThreads
from console.page.sources.sources import Options, open_sources


def _sources_running() -> bool:
    return any(thread.name == "source" for thread in threading.enumerate())


def refuse(_environment: Environment) -> Session:
    raise Unreachable("https://vault cannot be reached; check it")


def test_end_of_the_page_waits_for_a_read_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def load_slowly() -> None:
        may_end.wait(10)
        ended.set()

    monkeypatch.setattr(operate, "load_declaration", load_slowly)
    options = Options([Environment("staging")], tmp_path, (), None, refuse)
    with open_sources(options, partial(datetime.now, UTC)) as sources:
        sources["staging"].declaration.start()
        threading.Timer(0.1, may_end.set).start()
    assert ended.is_set()


def _wait(event: threading.Event) -> None:
    event.wait(10)


def test_wait_for_a_read_that_does_not_end_is_bounded() -> None:
    threads, may_end = ReadThreads(), threading.Event()
    threads.spawn(partial(_wait, may_end))
    threads.wait(0.0)
    assert _sources_running()
    may_end.set()
    threads.wait(10)
    assert not _sources_running()
