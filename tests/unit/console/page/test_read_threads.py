"""Threads in which sources are read: the end of the page waits for them, but not for ever."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from app_integration.errors import Unreachable
from app_integration.session.session import Session
from console.page.sources.read_threads import ReadThreads
from console.page.sources.sources import Options, open_sources
from console.target.checkout import DECLARATION, Checkout
from console.target.target import Target, open_target
from vault.declare.load import ROOT


def _sources_running() -> bool:
    return any(thread.name == "source" for thread in threading.enumerate())


def refuse(_target: Target) -> Session:
    raise Unreachable("https://vault cannot be reached; check it")


def test_end_of_the_page_waits_for_a_read_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def load_slowly(_checkout: Checkout) -> None:
        may_end.wait(10)
        ended.set()

    monkeypatch.setattr(Checkout, "declaration", property(load_slowly))
    options = Options([open_target("staging", tmp_path)], (), None, refuse)
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


def test_declaration_is_read_again_from_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT, tmp_path / "declare")
    monkeypatch.setenv(DECLARATION, str(tmp_path / "declare"))
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    options = Options([open_target("staging", tmp_path)], (), None, refuse)
    with open_sources(options, lambda: now[0], lambda run: run()) as sources:
        source = sources["staging"].declaration
        source.start()
        file = tmp_path / "declare/environments/staging.yaml"
        file.write_text(file.read_text().replace("owner: platform-team", "owner: another-team"))
        now[0] += timedelta(minutes=1)
        before = source.peek().value
        source.start()
        after = source.peek().value
    assert before is not None
    assert after is not None
    owners = [each.environment("staging").owner for each in (before, after)]
    assert owners == ["platform-team", "another-team"]
