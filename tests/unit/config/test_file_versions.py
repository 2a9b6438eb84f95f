"""Versions of the secrets in a delivered file: their line, their record and their metric."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app_integration._internal.private_file import stamp
from app_integration.config import trial
from app_integration.config.deliver import Target, deliver, roll_back
from app_integration.config.delivery_status import State
from app_integration.config.file_access import FileAccess
from app_integration.config.file_versions import read_versions, versions_file
from app_integration.config.loader import ConfigFile
from app_integration.config.versions_line import Rendered, compose, split
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder

NOW = datetime(2026, 1, 2, tzinfo=UTC)
JWT, URL = "shop/prod/jwt", "shop/prod/db/url"


class Document:
    """A model that accepts any document."""

    def __init__(self, document: object) -> None:
        self.document = document

    @classmethod
    def model_validate(cls, document: object, /) -> "Document":
        return cls(document)


class Versions(Recorder):
    """A recorder of the last versions in files."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def record_version(self, service: str, name: str, version: int, source: str = "cache") -> None:
        assert (service, source) == ("shop", "file")
        self.last[name] = version


class Place:
    """Folder with a live file, its deliveries and the process that loads it."""

    def __init__(self, folder: Path) -> None:
        self.staging, self.live = folder / "staged.yaml", folder / "app.yaml"
        self.is_on_trial = False

    @property
    def target(self) -> Target:
        model = f"{self.live.parent.name}_models:Config"
        return Target(self.live, model, FileAccess(), is_on_trial=self.is_on_trial)

    def deliver(self, value: str, line: str = "") -> State:
        self.staging.write_text(f"{line}value: {value}\n")
        self.staging.chmod(0o600)
        return deliver(self.staging, self.target, now=NOW).state


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a folder, with a module of a model that accepts any document."""
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{tmp_path.name}_models.py").write_text(
        "class Config:\n    model_validate = classmethod(lambda cls, document: cls())\n"
    )
    return Place(tmp_path)


@pytest.fixture
def recorder() -> Iterator[Versions]:
    found = Versions()
    metrics.set_recorder(found)
    yield found
    metrics.set_recorder(None)


def test_line_is_separated_from_the_other_bytes() -> None:
    line = compose({JWT: 3, URL: 12})
    assert line == "#strongroom-versions shop/prod/jwt=3 shop/prod/db/url=12\n"
    assert split(f"{line}a: 1\n".encode()) == Rendered(b"a: 1\n", {JWT: 3, URL: 12})


@pytest.mark.parametrize(
    "data", [b"", b"a: 1\n", b"# a comment\na: 1\n", b"#strongroom-versionsx\n"]
)
def test_file_without_the_line_is_unchanged(data: bytes) -> None:
    assert split(data) == Rendered(data, None)


@pytest.mark.parametrize(
    "fields",
    [f"{JWT}=", f"{JWT}=x", f"{JWT}=-1", f"{JWT}=0", f"{JWT}=1.5", "jwt=3", "", f"{JWT}=\xb2", JWT],
)
def test_malformed_line_is_removed(fields: str) -> None:
    assert split(f"#strongroom-versions {fields}\na: 1\n".encode()) == Rendered(b"a: 1\n")


def test_file_with_a_malformed_line_is_delivered_without_versions(place: Place) -> None:
    assert place.deliver("a", "#strongroom-versions x\n") is State.DELIVERED
    assert place.live.read_text() == "value: a\n"
    assert not versions_file(place.live).exists()


def test_record_has_the_versions_and_the_mode_of_the_live_file(place: Place) -> None:
    assert place.deliver("a", compose({JWT: 3})) is State.DELIVERED
    assert place.live.read_text() == "value: a\n"
    assert [*read_versions(place.live, FileAccess()).values()] == [{JWT: 3}]
    assert versions_file(place.live).stat().st_mode & 0o7777 == 0o600


def test_new_version_of_the_same_value_changes_the_record_only(place: Place) -> None:
    place.deliver("a", compose({JWT: 3}))
    before = stamp(place.live)
    assert place.deliver("a", compose({JWT: 4})) is State.UNCHANGED
    assert [*read_versions(place.live, FileAccess()).values()] == [{JWT: 4}]
    assert stamp(place.live) == before


def test_record_that_cannot_be_written_prevents_no_delivery(place: Place) -> None:
    (place.live.parent / ".app.yaml.versions.json.new").mkdir()
    assert place.deliver("a", compose({JWT: 3})) is State.DELIVERED
    assert read_versions(place.live, FileAccess()) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"x": 1}',
        '{"x": {"jwt": 3}}',
        '{"x": {"a/b/c": true}}',
        '{"x": {"a/b/c": 0}}',
    ],
)
def test_record_of_another_form_says_nothing(place: Place, text: str) -> None:
    versions_file(place.live).write_text(text)
    versions_file(place.live).chmod(0o600)
    assert read_versions(place.live, FileAccess()) == {}


def test_process_shows_the_version_of_the_file_that_it_has_loaded(
    place: Place, recorder: Versions
) -> None:
    place.deliver("a", compose({JWT: 3, URL: 1}))
    config = ConfigFile(Document, place.live)
    assert recorder.last == {"jwt": 3, "db/url": 1}
    place.deliver("b", compose({JWT: 4, URL: 1}))
    assert recorder.last == {"jwt": 3, "db/url": 1}  # because it has not loaded the new file yet
    config.reload_if_replaced()
    assert recorder.last == {"jwt": 4, "db/url": 1}


def test_process_on_which_a_file_was_rolled_back_shows_the_older_version(
    place: Place, recorder: Versions
) -> None:
    place.is_on_trial = True
    place.deliver("a", compose({JWT: 3}))
    trial.accept(place.live)
    config = ConfigFile(Document, place.live)
    for version, value in enumerate("bc", 4):
        place.deliver(value, compose({JWT: version}))
        config.reload_if_replaced()
        assert recorder.last == {"jwt": version}
    assert roll_back(place.target, "is not healthy", now=NOW)
    config.reload_if_replaced()
    assert recorder.last == {"jwt": 3}


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([("a", ""), ("a", compose({JWT: 3}))], [{}, {"jwt": 3}]),
        ([("a", compose({JWT: 3})), ("b", "")], [{"jwt": 3}, {"jwt": 0}]),
    ],
    ids=["record comes later", "file without versions comes later"],
)
def test_record_that_comes_or_is_missing_later_is_noticed(
    place: Place,
    recorder: Versions,
    deliveries: list[tuple[str, str]],
    expected: list[dict[str, int]],
) -> None:
    place.deliver(*deliveries[0])
    config = ConfigFile(Document, place.live)
    assert recorder.last == expected[0]
    place.deliver(*deliveries[1])
    config.reload_if_replaced()
    assert recorder.last == expected[1]


def test_record_that_is_gone_or_unreadable_leaves_the_version_of_the_loaded_file(
    place: Place, recorder: Versions
) -> None:
    place.deliver("a", compose({JWT: 3}))
    config = ConfigFile(Document, place.live)
    versions_file(place.live).write_text("{")
    config.reload_if_replaced()
    versions_file(place.live).unlink()
    os.mkfifo(versions_file(place.live))
    config.reload_if_replaced()
    assert recorder.last == {"jwt": 3}


def test_new_recorder_gets_the_versions_again(place: Place, recorder: Versions) -> None:
    place.deliver("a", compose({JWT: 3}))
    config = ConfigFile(Document, place.live)
    assert recorder.last
    after_fork = Versions()
    metrics.set_recorder(after_fork)
    config.reload_if_replaced()
    assert after_fork.last == {"jwt": 3}
