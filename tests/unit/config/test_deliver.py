"""Delivery from the staging file to the live file, and the state after a rejection."""

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app_integration import __main__ as commands
from app_integration._internal.private_file import stamp, write_private
from app_integration.config import deliver as module
from app_integration.config import trial, validation
from app_integration.config.deliver import Target, deliver, refused_file, roll_back
from app_integration.config.deliver_command import main
from app_integration.config.delivery_status import State, Status, read_status, status_file
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigRejected
from tests.support.polling import wait_until
from tests.support.processes.loaded_modules import loaded_by

ROOT = Path(__file__).parents[3]
PATIENCE = 12.0  # seconds, less than the product gives a model
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CANARY = "canary-51d7"
GOOD = 'database: {url: "x"}\n'
OTHER = 'database: {url: "y"}\n'
BAD = f'database: {{uri: "{CANARY}"}}\n'

PYDANTIC = """
from pydantic import BaseModel

class Database(BaseModel):
    url: str

class Config(BaseModel):
    database: Database
"""
#: Without pydantic, whose import takes longer than all else that a delivery does.
MODELS = f"""
import base64, os, subprocess, sys, time
from pathlib import Path

class Config:
    @classmethod
    def model_validate(cls, document):
        if "url" not in document["database"]:
            raise ValueError(document)

class Curious:
    @classmethod
    def model_validate(cls, document):
        Path(document["database"]["url"]).write_text("\\n".join(sorted(os.environ)))

class Slow:
    @classmethod
    def model_validate(cls, document):
        while True:
            time.sleep(0.01)

class Away:
    @classmethod
    def model_validate(cls, document):
        raise ConnectionRefusedError

class Huge:
    @classmethod
    def model_validate(cls, document):
        return bytearray(4 * 1024**3)

class Leaving:
    @classmethod
    def model_validate(cls, document):
        raise SystemExit(3)

class Parent:
    @classmethod
    def model_validate(cls, document):
        child = subprocess.Popen(["sleep", "60"])
        Path("{{folder}}/config/child").write_text(str(child.pid))

class Talkative:
    @classmethod
    def model_validate(cls, document):
        url = document["database"]["url"]
        print("connecting", flush=True)
        print("to", url, file=sys.stderr, flush=True)
        encoded, port = base64.b64encode(url.encode()).decode(), document["database"]["port"]
        print("as", encoded, "port", port, flush=True)
        os.write(1, b"without newline")

class Endless:
    @classmethod
    def model_validate(cls, document):
        os.write(1, b"x" * 50_000_000)

class Rude:
    @classmethod
    def model_validate(cls, document):
        raise ValueError("{CANARY}")

not_a_model = 5
"""
#: Swallows what is raised in it, as a model that asks somebody while it is imported may.
HANG = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""


@dataclass
class Place:
    staging: Path
    live: Path
    model: str
    is_on_trial: bool = False

    def render(self, text: str, mode: int = 0o600) -> None:
        self.staging.write_text(text)
        self.staging.chmod(mode)

    def use_pydantic(self) -> None:
        self.model = self.model.replace(":", "_pydantic:")

    @property
    def target(self) -> Target:
        return Target(self.live, self.model, FileAccess(), is_on_trial=self.is_on_trial)

    def deliver(self, text: str | None = None, now: datetime = NOW) -> Status:
        """Deliver *text* if there is one, or what was rendered before."""
        if text is not None:
            self.render(text)
        return deliver(self.staging, self.target, now=now)

    def arguments(self, *more: str) -> list[str]:
        paths = ["--staging", str(self.staging), "--live", str(self.live)]
        return [*paths, "--model", self.model, *more]

    def status(self) -> Any:
        return json.loads(status_file(self.live).read_text())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Create the staging folder, and a module with models of an application."""
    name = f"models_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODELS.replace("{folder}", str(tmp_path)))
    (tmp_path / f"{name}_pydantic.py").write_text(PYDANTIC)
    (tmp_path / f"{name}_quit.py").write_text("import os; os._exit(0)\n")
    (tmp_path / f"{name}_hang.py").write_text(HANG)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "config" / "staging").mkdir(parents=True, mode=0o700)
    (tmp_path / "config").chmod(0o700)
    yield Place(
        staging=tmp_path / "config" / "staging" / "app.yaml",
        live=tmp_path / "config" / "app.yaml",
        model=f"{name}:Config",
    )
    sys.modules.pop(name, None)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_deliver_valid_file_makes_it_live(place: Place) -> None:
    assert place.deliver(GOOD).state is State.DELIVERED
    assert place.live.read_text() == GOOD
    assert mode_of(place.live) == 0o600
    assert place.status() == {
        "state": "delivered",
        "reason": None,
        "when": "2026-01-02T03:04:05+00:00",
        "since": "2026-01-02T03:04:05+00:00",
        "attempts": 1,
        "staged": list(stamp(place.staging) or ()),
    }
    assert mode_of(status_file(place.live)) == 0o600


def test_deliver_copies_and_keeps_staging_file(place: Place) -> None:
    place.render(GOOD)
    before = place.staging.stat()
    place.deliver()
    assert place.staging.stat().st_ino == before.st_ino
    assert place.live.stat().st_ino != before.st_ino


def test_deliver_leaves_no_other_files(place: Place) -> None:
    place.deliver(GOOD)
    place.deliver(BAD)
    names = {path.name for path in place.live.parent.iterdir()}
    assert names == {
        *(".app.yaml.lock", "app.yaml", "app.yaml.refused.json", "app.yaml.status.json", "staging")
    }


def test_deliver_same_bytes_changes_nothing(place: Place) -> None:
    place.deliver(GOOD)
    before = stamp(place.live)
    assert place.deliver().state is State.UNCHANGED
    assert stamp(place.live) == before is not None


def test_deliver_same_bytes_with_wider_mode_writes_again(place: Place) -> None:
    place.deliver(GOOD)
    place.live.chmod(0o644)
    assert place.deliver().state is State.DELIVERED
    assert mode_of(place.live) == 0o600


def test_deliver_invalid_file_keeps_live_file(place: Place) -> None:
    place.use_pydantic()
    place.deliver(GOOD)
    status = place.deliver(BAD)
    assert status.state is State.REFUSED
    assert str(status.reason).endswith("is not valid for Config: database.url (missing)")
    assert place.live.read_text() == GOOD
    assert place.status()["state"] == "refused"
    assert CANARY not in status_file(place.live).read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_deliver_staging_file_readable_by_others_is_rejected(place: Place, mode: int) -> None:
    place.render(GOOD, mode=mode)
    assert place.deliver().state is State.REFUSED
    assert not place.live.exists()


def test_deliver_into_folder_accessible_to_others_is_rejected(place: Place) -> None:
    place.render(GOOD)
    place.live.parent.chmod(0o755)
    assert "other users can access it; run chmod 0700" in str(place.deliver().reason)
    assert not place.live.exists()


def test_deliver_creates_missing_folder_as_private(place: Place) -> None:
    place.render(GOOD)
    place.live = place.live.parent / "new" / "app.yaml"
    assert place.deliver().state is State.DELIVERED
    assert mode_of(place.live.parent) == 0o700


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            "no_such_module:Config",
            "(ModuleNotFoundError: no_such_module); correct its name, or install what it imports",
        ),
        ("{module}:Missing", "(AttributeError); correct its name, or install what it imports"),
        ("{module}:not_a_model", "is not a class with model_validate; name a pydantic model"),
        ("{module}:Away", "raised ConnectionRefusedError"),
        ("{module}:Huge", "raised MemoryError"),
        ("{module}:Leaving", "ended its process (code 3)"),
        ("{module}_quit:Config", "ended its process (code 0)"),
        ("{module}_hang:Config", "took more than 2 s"),
    ],
)
def test_deliver_with_model_that_cannot_validate_is_waiting(
    place: Place, model: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "took more than 2 s":  # the others may need as long to start on a busy machine
        monkeypatch.setattr(validation, "SECONDS", 2.0)
    place.model = model.format(module=place.model.partition(":")[0])
    began = time.monotonic()
    status = place.deliver(GOOD)
    assert (status.state, status.attempts) == (State.WAITING, 1)
    assert str(status.reason).endswith(reason)
    assert CANARY not in str(status.reason)
    assert not place.live.exists()
    assert time.monotonic() - began < PATIENCE


def test_deliver_with_missing_model_names_the_interpreter_and_its_folder(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "src")
    place.model = "no_such_package.config:Config"
    assert place.deliver(GOOD).reason == (
        "the model no_such_package.config:Config cannot be imported by "
        f"{sys.executable} from {tmp_path}/src (ModuleNotFoundError: no_such_package); correct its "
        "name, or install what it imports"
    )


def test_deliver_with_model_that_raises_is_refused(place: Place) -> None:
    place.model = place.model.replace(":Config", ":Rude")
    status = place.deliver(GOOD)
    assert status.state is State.REFUSED
    assert str(status.reason).endswith("is not valid for Rude: the model raised ValueError")
    assert CANARY not in str(status.reason)


def test_deliver_kills_processes_that_model_started(place: Place) -> None:
    place.model = place.model.replace(":Config", ":Parent")
    began = time.monotonic()
    assert place.deliver(GOOD).state is State.DELIVERED
    assert time.monotonic() - began < PATIENCE
    child = int((place.live.parent / "child").read_text())
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the end of what the model started")


def test_deliver_prints_output_of_model_without_values(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.render(f'database: {{url: "{CANARY}-long-enough", port: 7}}\n')
    place.model = place.model.replace(":Config", ":Talkative")
    assert place.deliver().state is State.DELIVERED
    out, err = capfd.readouterr()
    assert "connecting" in out
    assert "without newline" in out
    assert CANARY not in out + err
    encoded = base64.b64encode(f"{CANARY}-long-enough".encode()).decode()
    assert encoded not in out + err
    assert "port 7" not in out


def test_deliver_with_endless_output_of_model_succeeds(place: Place) -> None:
    place.model = place.model.replace(":Config", ":Endless")
    assert place.deliver(GOOD).state is State.DELIVERED


def test_deliver_to_full_disk_is_waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.render(GOOD)

    def full(path: Path, _content: bytes, *, mode: int) -> None:
        raise OSError(28, f"No space left on device for {mode:o}", str(path))

    monkeypatch.setattr(module, "replace_file", full)
    status = place.deliver()
    assert status.state is State.WAITING
    assert status.reason == f"{place.live}: No space left on device for 600"
    monkeypatch.undo()


def test_refused_file_is_kept_by_its_shape(place: Place) -> None:
    place.render(
        f'database: {{uri: "{CANARY}", port: 5432, tls: true, ca: "", hosts: ["a", 1.5]}}\n'
    )
    place.deliver()
    text = refused_file(place.live).read_text()
    record = json.loads(text)
    assert record == {
        "when": NOW.isoformat(),
        "reason": place.status()["reason"],
        "shape": {
            "database": {
                "uri": "text",
                "port": "integer",
                "tls": "true or false",
                "ca": "empty text",
                "hosts": ["text", "number"],
            }
        },
    }
    assert CANARY not in text
    place.deliver("database: [\n")
    assert json.loads(refused_file(place.live).read_text())["shape"] is None


def test_trial_accepted_keeps_the_new_file(place: Place) -> None:
    place.is_on_trial = True
    place.deliver(GOOD)
    assert not trial.last_good_file(place.live).exists()  # there was no file before it
    place.deliver(OTHER)
    assert trial.last_good_file(place.live).read_text() == GOOD
    assert trial.last_good_file(place.live).stat().st_mode & 0o777 == 0o600
    trial.accept(place.live)
    assert not trial.last_good_file(place.live).exists()
    assert place.live.read_text() == OTHER


def test_trial_rolled_back_restores_the_file_before_it(place: Place) -> None:
    place.is_on_trial = True
    for text in (GOOD, OTHER):
        place.deliver(text)
        if text == GOOD:
            assert not roll_back(place.target, "is not healthy", now=NOW)
    assert roll_back(place.target, "is not healthy", now=NOW)
    assert place.live.read_text() == GOOD
    status = place.status()
    assert (status["state"], status["reason"]) == ("rolled_back", "is not healthy")
    assert tuple(status["staged"]) == stamp(place.staging)
    assert json.loads(refused_file(place.live).read_text())["shape"] == {
        "database": {"url": "text"}
    }
    assert not roll_back(place.target, "is not healthy", now=NOW)


def test_trial_is_not_open_before_the_first_delivery(place: Place) -> None:
    target = replace(place.target, live=place.live.parent / "later" / "app.yaml")
    assert not roll_back(target, "is not healthy", now=NOW)


def test_trial_after_an_unusable_file_keeps_none(place: Place) -> None:
    place.is_on_trial = True
    place.live.write_text("")
    place.deliver(OTHER)
    assert not trial.is_open(place.live)


def test_delivery_cut_after_the_swap_is_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.is_on_trial = True
    place.deliver(GOOD)
    place.render(OTHER)
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_status", full_disk)
        with pytest.raises(OSError, match="No space"):
            place.deliver()
    assert place.live.read_text() == OTHER
    assert place.deliver().state is State.DELIVERED  # and not unchanged, so that it is tried out
    place.deliver(GOOD.replace("x", "third"))
    assert trial.last_good_file(place.live).read_text() == GOOD


def test_roll_back_needs_no_space(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.is_on_trial = True
    for text in (GOOD, OTHER):
        place.deliver(text)
    monkeypatch.setattr(module, "write_private", full_disk)
    monkeypatch.setattr(module, "write_status", full_disk)
    assert roll_back(place.target, "is not healthy", now=NOW)
    assert place.live.read_text() == GOOD


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_kept_file_of_another_kind_is_not_restored(place: Place, kind: str) -> None:
    kept = trial.last_good_file(place.live)
    secret = place.live.parent / "private-key"
    secret.write_text(CANARY)
    match kind:
        case "link":
            kept.symlink_to(secret)
        case "pipe":
            os.mkfifo(kept)
        case _:
            kept.mkdir()
    place.deliver(GOOD)
    with pytest.raises((OSError, ConfigRejected)):
        roll_back(place.target, "is not healthy", now=NOW)
    assert place.live.read_text() == GOOD


def test_lock_does_not_follow_a_link(place: Place) -> None:
    elsewhere = place.live.parent / "elsewhere"
    place.live.with_name(".app.yaml.lock").symlink_to(elsewhere)
    place.render(GOOD)
    with pytest.raises(OSError, match="symbolic links"):
        place.deliver()
    assert not elsewhere.exists()


def test_status_has_since_and_attempts(place: Place) -> None:
    def at(minute: int) -> tuple[str, str, int]:
        status = place.deliver(now=NOW.replace(minute=minute))
        assert status == read_status(place.live)
        return status.state, status.since[14:16], status.attempts

    fitting, place.model = place.model, "no_such_module:Config"
    place.render(GOOD)
    assert [at(10), at(11)] == [("waiting", "10", 1), ("waiting", "10", 2)]
    place.model = fitting
    assert [at(12), at(13)] == [("delivered", "12", 1), ("unchanged", "12", 2)]
    place.render(BAD)
    assert [at(14), at(15)] == [("refused", "14", 1), ("refused", "14", 2)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": "refused"}', '{"state": 5}'])
def test_status_unreadable_is_none(place: Place, text: str) -> None:
    status_file(place.live).write_text(text)
    assert read_status(place.live) is None


def test_status_of_a_rejected_file_outlives_a_failure_to_render(place: Place) -> None:
    refused = place.deliver(BAD)
    module.record_not_rendered(place.staging, place.live, "unreachable", now=NOW)
    assert read_status(place.live) == refused
    place.deliver(GOOD)
    for attempts in (1, 2):
        module.record_not_rendered(place.staging, place.live, "unreachable", now=NOW)
        status = read_status(place.live)
        assert status is not None
        assert (status.state, status.reason) == (State.WAITING, "unreachable")
        assert (status.staged, status.attempts) == (None, attempts)


def test_deliver_removes_copy_left_by_crash(place: Place) -> None:
    left = place.live.with_name(".app.yaml.new")
    left.write_text(CANARY)
    place.deliver(GOOD)
    assert not left.exists()


def test_deliver_with_failed_write_leaves_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "file", b"secret")
    assert list(tmp_path.iterdir()) == []


def test_deliver_concurrently_waits_for_first(place: Place) -> None:
    place.render(GOOD)
    held = place.live.with_name(".app.yaml.lock")
    held.touch(0o600)
    folder = os.open(held, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "app_integration", "deliver", *place.arguments()]
    path = f"{place.staging.parents[2]}{os.pathsep}{ROOT}"
    run = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(timeout=1)
    assert not place.live.exists()
    os.close(folder)
    assert run.wait(timeout=20) == 0
    assert place.live.read_text() == GOOD


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the environment variables that the command removes from its process."""
    for name, value in os.environ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
class TestCommand:
    def test_command_exits_0_for_delivered_and_unchanged(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        place.render(GOOD)
        assert main(place.arguments()) == 0
        assert main(place.arguments()) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{place.live}: delivered",
            f"{place.live}: unchanged",
        ]

    def test_command_exits_1_for_refused_file_and_prints_no_value(
        self, place: Place, capsys: pytest.CaptureFixture[str]
    ) -> None:
        place.use_pydantic()
        place.render(BAD)
        assert main(place.arguments()) == 1
        out, err = capsys.readouterr()
        assert "refused: " in out
        assert CANARY not in out + err

    def test_command_with_never_fail_exits_0(self, place: Place) -> None:
        place.render(BAD)
        assert main(place.arguments("--never-fail")) == 0
        place.live = Path("/proc/no-such-folder/app.yaml")
        assert main(place.arguments("--never-fail")) == 0

    def test_command_does_not_wait_forever_for_another_one(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(module, "LOCK_SECONDS", 0.2)
        place.render(GOOD)
        with module.lock_delivery(place.live):
            assert main(place.arguments()) == 1
        assert "app.yaml takes more than 0.2 s" in capsys.readouterr().out
        assert not place.live.exists()
        assert main(place.arguments()) == 0

    def test_command_deadline_is_shorter_than_that_of_agent(self) -> None:
        default = 30  # seconds, of a template's command
        assert default >= module.LOCK_SECONDS + validation.SECONDS + 5

    def test_command_runs_model_with_reduced_environment(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BAO_TOKEN", CANARY)
        seen = place.live.parent / "seen"
        place.render(f'database: {{url: "{seen}"}}\n')
        place.model = place.model.replace(":Config", ":Curious")
        assert main(place.arguments()) == 0
        kept = {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TZ"}
        assert set(seen.read_text().split()) <= kept


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["deliver"],
        ["delivr"],
        ["deliver", "--staging", "a", "--live", "b", "--model", "no-colon"],
        ["deliver", "--staging", "a", "--live", "b", "--model", "a:b", "--force"],
    ],
)
def test_command_with_wrong_usage_exits_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = commands.main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 64
    assert "usage: python -m app_integration" in capsys.readouterr().err


def test_delivery_loads_no_client_of_http() -> None:
    loaded = loaded_by("app_integration.config.deliver_command")
    assert not {"urllib3", "hvac", "cryptography"} & loaded


def test_every_command_module_has_main() -> None:
    for name in commands.COMMANDS.values():
        assert callable(__import__(name, fromlist=["main"]).main)
