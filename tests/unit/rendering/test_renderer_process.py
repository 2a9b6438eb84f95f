"""Process that renders: when it tries again, and what it reads of the environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from app_integration.config import renderer_process
from app_integration.config.renderer_process import RendererProcess, Rendering
from app_integration.errors import ConfigRejected
from app_integration.rendering.__main__ import attempts, exit_once, read_settings
from tests.support.polling import wait_until
from tests.support.processes import slow_renderer


def failing(results: list[bool]) -> Callable[[], None]:
    """Return a function that fails where *results* say so."""
    remaining = iter(results)

    def write() -> None:
        if not next(remaining):
            raise ConfigRejected("unreachable")

    return write


@pytest.mark.parametrize(("every", "waits"), [(300.0, [300, 1, 2, 4, 300]), (2.0, [2, 1, 2, 2, 2])])
def test_failures_are_followed_by_earlier_attempts(every: float, waits: list[float]) -> None:
    slept: list[float] = []
    write = failing([True, False, False, False, True, True])
    found = list(islice(attempts(write, every, slept.append, lambda: 1.0), 6))
    assert slept == waits
    bad = Rendering("unreachable")
    assert found == [Rendering(None), bad, bad, bad, Rendering(None), Rendering(None)]


@pytest.mark.parametrize(
    ("sources", "read"), [("", ()), ("vault,rendered", ("vault",)), ("rendered", ())]
)
def test_delivered_file_is_no_source_of_itself(
    sources: str, read: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "STRONGROOM_SERVICE": "parcels",
        "ENVIRONMENT": "prod",
        "VAULT_ADDR": "https://vault.example.com:8200",
        "STRONGROOM_CONFIG": str(tmp_path / "app.yaml"),
        "STRONGROOM_SOURCES": sources,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert read_settings().sources == read


def test_process_that_ends_is_started_again_after_a_backoff(tmp_path: Path) -> None:
    process = RendererProcess(tmp_path / "none.skeleton.json", tmp_path / "staging", None)
    try:
        assert process.poll(0.0, 1.0) == []
        found = wait_until(lambda: process.poll(1.0, 1.0), "its result")
        assert [each.is_final for each in found] == [True]
        assert not process.is_rendered
        wait_until(lambda: not process.is_running, "its end")
        assert process.poll(1.5, 1.0) == []
        assert not process.is_running
        assert process.poll(2.5, 1.0) == []
        assert process.is_running
    finally:
        process.stop()


def test_single_rendering_ends_by_itself_after_its_whole_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renderer_process, "_MODULE", slow_renderer.__name__)
    staging = tmp_path / "staging"
    process = RendererProcess(tmp_path / "any.skeleton.json", staging, None)
    assert process.render_once() == slow_renderer.PROBLEM
    assert staging.read_text() == "revoked"


def test_second_signal_does_not_cut_off_the_exit() -> None:
    before = signal.signal(signal.SIGTERM, exit_once)
    try:
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
