"""Watching of a real folder: renames, links, invalid files, and the end of the watch."""

from __future__ import annotations

import gc
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import app_integration
from app_integration.config.watcher import WatchedConfig
from app_integration.errors import ConfigRejected, ConfigurationError
from tests.support.polling import wait_until
from tests.unit.config.test_loader import CANARY, Config, Write, text, write

__all__ = ["write"]  # the fixture
SECONDS = 20.0  # after which a change counts as missed


@contextmanager
def watching_config(path: Path, changes: RecordedChanges) -> Iterator[WatchedConfig[Config]]:
    """Yield a watched config once the watch of its folder has started."""
    with WatchedConfig(Config, path, changes) as config:
        begun = config._checked_at

        def looked() -> bool:
            (path.parent / "tick").touch()
            return config._checked_at != begun

        wait_until(looked, "the first look", SECONDS)
        yield config


class RecordedChanges:
    """A callback that records its arguments in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[frozenset[str]] = queue.Queue()

    def __call__(self, changed: frozenset[str]) -> None:
        self._queue.put(changed)

    def next(self) -> frozenset[str]:
        return self._queue.get(timeout=SECONDS)

    @property
    def more(self) -> bool:
        return not self._queue.empty()


@pytest.fixture(autouse=True)
def _disable_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable polling, so that only notifications of the folder cause a check."""
    monkeypatch.setattr("app_integration.config.loader.CHECK_INTERVAL", float("inf"))
    monkeypatch.setattr("app_integration.config.watcher.POLL_INTERVAL", 3_600_000)


def test_watcher_notices_each_of_many_renames(write: Write) -> None:
    changes = RecordedChanges()
    with watching_config(write(text(url="0")), changes) as config:
        for number in range(1, 6):
            write(text(url=str(number)))
            assert changes.next() == {"database.url"}
            assert config.current().database.url == str(number)


def test_watcher_keeps_config_until_valid_file_arrives(write: Write) -> None:
    changes = RecordedChanges()
    with watching_config(write(text(url="good")), changes) as config:
        write(text(secret=CANARY))
        wait_until(lambda: config.rejected is not None, "the refusal", SECONDS)
        assert config.current().database.url == "good"
        write(text(url="<no value>"))
        wait_until(lambda: "<no value>" in str(config.rejected), "the refusal", SECONDS)
        write(text(url="good", secret="t" * 32))
        assert changes.next() == {"jwt_secret"}
        assert config.rejected is None
        assert not changes.more


def test_watcher_ignores_file_written_in_place_until_complete(write: Write) -> None:
    changes = RecordedChanges()
    with watching_config(write(text(url="old")), changes) as config:
        whole = text(url="new").encode()
        with config.path.open("r+b") as file:
            file.truncate()
            file.write(whole[:-1])
            file.flush()
            wait_until(lambda: config.rejected is not None, "the refusal", SECONDS)
            assert config.current().database.url == "old"
            file.write(whole[-1:])
        assert changes.next() == {"database.url"}
        assert config.current().database.url == "new"


def test_watcher_notices_replaced_symlink(tmp_path: Path) -> None:
    """Kubernetes does this: the file is a link through a folder that is a link itself."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.yaml").write_text(text(url=name))
        (tmp_path / name / "app.yaml").chmod(0o600)
    (tmp_path / "..data").symlink_to("one")
    path = tmp_path / "app.yaml"
    path.symlink_to("..data/app.yaml")
    changes = RecordedChanges()
    with watching_config(path, changes) as config:
        (tmp_path / "..next").symlink_to("two")
        (tmp_path / "..next").replace(tmp_path / "..data")
        assert changes.next() == {"database.url"}
        assert config.current().database.url == "two"


def test_watcher_notices_file_in_replaced_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app_integration.config.watcher.POLL_INTERVAL", 100)
    folder, fresh = tmp_path / "config", tmp_path / "fresh"
    for place, url in ((folder, "old"), (fresh, "new")):
        place.mkdir()
        (place / "app.yaml").write_text(text(url=url))
        (place / "app.yaml").chmod(0o600)
    changes = RecordedChanges()
    with WatchedConfig(Config, folder / "app.yaml", changes):
        folder.rename(tmp_path / "gone")
        fresh.rename(folder)
        assert changes.next() == {"database.url"}


def watching() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "config-watch"]


def test_watcher_thread_ends_when_closed_or_deleted(write: Write) -> None:
    path = write(text())
    WatchedConfig(Config, path).close()
    assert watching() == []
    held: WatchedConfig[Config] | None = WatchedConfig(Config, path)
    assert watching() == ["config-watch"]
    assert held
    held = None
    gc.collect()
    wait_until(lambda: watching() == [], "the end of the thread", SECONDS)


def test_watcher_callback_may_close_it(write: Write) -> None:
    closed = threading.Event()

    def close(_changed: frozenset[str]) -> None:
        config.close()
        closed.set()

    path = write(text())
    with watching_config(path, RecordedChanges()) as config:
        config.on_change(close)
        write(text(url="y"))
        assert closed.wait(SECONDS)
    wait_until(lambda: watching() == [], "the end of the thread", SECONDS)


def test_watcher_in_forked_child_checks_file_on_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WatchedConfig(Config, write(text(url="old"))) as config:
        with config._lock:  # as if held by a thread that does not exist in the child
            read, sent = os.pipe()
            child = os.fork()
            if child == 0:
                monkeypatch.setattr("app_integration.config.loader.CHECK_INTERVAL", 0.0)
                write(text(url="new"))
                os.write(sent, config.current().database.url.encode())
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 10) == b"new"


def test_watcher_rejects_a_coroutine_function_before_it_starts(write: Write) -> None:
    async def reload(changed: frozenset[str]) -> None:
        pytest.fail(f"called with {changed}")

    path, threads = write(text()), threading.active_count()
    with pytest.raises(ConfigurationError, match="nothing awaits a coroutine"):
        WatchedConfig(Config, path, reload)  # type: ignore[arg-type] # as a program without types
    assert threading.active_count() == threads


def test_watcher_of_config_invalid_at_start_raises(write: Write) -> None:
    with pytest.raises(ConfigRejected):
        app_integration.watch_config(Config, write(text(secret="short")))
    assert watching() == []
