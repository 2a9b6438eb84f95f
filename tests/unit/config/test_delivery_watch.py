"""Delivery that starts, tells and watches an application, with real processes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from app_integration.config.application import ChildApplication
from app_integration.config.confirmation import Health
from app_integration.config.deliver import Target, refused_file
from app_integration.config.deliver_command import main
from app_integration.config.delivery_status import State, read_status
from app_integration.config.delivery_watch import Clock, DeliveryWatch
from app_integration.config.file_access import FileAccess
from app_integration.config.reload import Reload
from app_integration.config.watch_process import FIRST_FILE_SECONDS, WatchProcess
from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until
from tests.support.processes.watched_application import WatchedApplication

CANARY: Final = "canary-3e90"
NIGHTLY: Final = [pytest.mark.nightly, pytest.mark.timeout(3600)]
#: Makes the command inherit orphans, as the first process of a container does.
SUBREAPER: Final = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""

Make = Callable[..., WatchedApplication]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes an application; all processes end with the test."""
    made: list[WatchedApplication] = []

    def make_one(**fields: object) -> WatchedApplication:
        made.append(WatchedApplication(tmp_path, free_ports(1)[0], **fields))  # type: ignore[arg-type] # the test names fields
        return made[-1]

    yield make_one
    for each in made:
        each.end()


#: Number of a render, modulo 40 → mood of a file that is bad; None for one that is invalid.
BAD: Final = {3: None, 5: "ill", 7: "crash", 13: None, 23: None, 33: None}


# An application that gets no processor time while it settles still answers from the file before. In
# a thousand deliveries on a busy machine that happens, so they settle longer.
@pytest.mark.parametrize(
    ("renders", "settle"), [(9, "0.1"), pytest.param(1_000, "0.5", marks=NIGHTLY)]
)
def test_application_never_stays_on_a_bad_file(make: Make, renders: int, settle: str) -> None:
    watched = make(options=("--reload", "SIGHUP", "--within", "5", "--settle", settle))
    watched.render("first")
    process = watched.start()
    watched.wait_for("first")
    good, bad = "first", {"refused": 0, "rolled_back": 0}
    for number in range(1, renders + 1):
        mood = BAD.get(number % 40, "well")
        watched.render(f"{CANARY}-{number}" if mood else number, mood or "well")
        if mood == "well":
            good = f"{CANARY}-{number}"
        else:
            bad["rolled_back" if mood else "refused"] += 1
        state = watched.outcome().state
        is_good = good.endswith(f"-{number}")
        assert is_good == (state is State.DELIVERED)
        watched.wait_for(good)
        assert watched.get("health") == "well"
    # An event is logged after the trial has ended.
    expected = bad | {"confirmed": 1 + renders - sum(bad.values())}
    wait_until(lambda: {event: watched.count(event) for event in expected} == expected, "events")
    assert process.poll() is None
    assert CANARY not in watched.output.read_text()
    assert CANARY not in refused_file(watched.live).read_text()


@pytest.mark.parametrize("reload", ["restart", "none", "POST"])
def test_each_way_to_reload_rolls_back(make: Make, reload: str) -> None:
    watched = make(is_child=reload != "POST", notices=reload == "none")
    url = f"http://127.0.0.1:{watched.port}/reload"
    watched.options = ("--reload", url if reload == "POST" else reload, "--within", "3")
    watched.options += ("--settle", "0.5")
    watched.render("first")
    process = watched.start()
    if not watched.is_child:
        wait_until(watched.live.exists, "the first file")
        watched.run(watched.application)
    watched.wait_for("first")
    watched.outcome()
    watched.render("second")
    assert watched.outcome().state is State.DELIVERED
    watched.wait_for("second")
    watched.render("third", "ill")
    status = watched.outcome()
    assert status.state is State.ROLLED_BACK
    assert "was not healthy on it within 3 s: " in str(status.reason)
    assert "answers with status 503" in str(status.reason)
    watched.wait_for("second")
    process.terminate()
    assert process.wait(20) == (7 if watched.is_child else 0)


def test_separate_application_that_does_not_run_is_judged(make: Make) -> None:
    """Unlike by the supervisor: beside a delivery of its own, a stopped application is a fault."""
    watched = make(is_child=False)
    watched.options = ("--reload", f"http://127.0.0.1:{watched.port}/reload", "--within", "2")
    watched.options += ("--settle", "0.1")
    watched.render("first")
    watched.start()
    wait_until(watched.live.exists, "the first file")
    application = watched.run(watched.application)
    watched.wait_for("first")
    watched.outcome()
    application.terminate()
    application.wait(20)
    watched.render("second")
    assert watched.outcome().state is State.ROLLED_BACK
    assert "first" in watched.live.read_text()


def test_trial_cut_by_a_kill_ends_on_the_last_good_file(make: Make) -> None:
    watched = make(options=("--reload", "SIGHUP", "--within", "60", "--settle", "0.2"))
    process = watched.start_on("first")
    watched.render("second", "ill")
    wait_until(lambda: watched.get("health") == "ill", "the bad file in effect")
    process.kill()
    process.wait()
    wait_until(lambda: watched.get("health") is None, "the end of the application, too")
    assert "second" in watched.live.read_text()
    watched.start()
    watched.wait_for("first")
    status = watched.outcome()
    assert status.state is State.ROLLED_BACK  # it may be what got the process killed
    assert "was killed while this file was tried" in str(status.reason)


def test_trial_cut_by_a_stop_is_made_again(make: Make) -> None:
    watched = make(options=("--reload", "SIGHUP", "--within", "60", "--settle", "0.1"))
    process = watched.start_on("first")
    watched.render("second", "ill")  # so that the trial goes on
    watched.wait_for("second")
    process.terminate()
    assert process.wait(20) == 7
    assert "first" in watched.live.read_text()
    status = read_status(watched.live)
    assert status is not None
    assert status.state is State.WAITING
    before = len(watched.events())
    watched.start()
    watched.wait_for("second")
    again = [event["event"] for event in watched.events()[before:]]
    assert again == ["application_started", "delivered"]  # on the first file, then on trial


def test_refused_file_is_checked_again_at_the_next_start(make: Make) -> None:
    watched = make()
    process = watched.start_on("first")
    watched.render(2)
    assert watched.outcome().state is State.REFUSED
    process.terminate()
    process.wait(20)
    models = watched.folder / "models.py"
    models.write_text(models.read_text().replace("value: str", "value: int"))
    watched.start()
    assert wait_until(lambda: watched.get("value") == "2", "the file that was refused")


@pytest.mark.parametrize("part", ["headers", "body"])
def test_health_page_that_never_ends_counts_as_unhealthy(make: Make, part: str) -> None:
    watched = make(options=("--reload", "SIGHUP", "--within", "1", "--settle", "0.1"))
    watched.start_on("first")
    watched.render("second", f"slow-{part}")
    assert watched.outcome().state is State.ROLLED_BACK
    watched.wait_for("first")


def test_worker_that_a_restart_leaves_is_killed(make: Make) -> None:
    watched = make(options=("--reload", "restart", "--within", "5", "--settle", "0.5"))
    watched.start_on("first")
    worker = Path(f"/proc/{watched.get('worker')}/stat")
    assert is_running(worker)
    watched.render("second")
    watched.wait_for("second")
    wait_until(lambda: not is_running(worker), "the end of the worker")
    assert watched.outcome().state is State.DELIVERED


def is_running(stat: Path) -> bool:
    """Return whether the process of ``/proc/<pid>/stat`` runs, and is no zombie."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_full_log_does_not_end_the_application(make: Make) -> None:
    watched = make()
    watched.render("first")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    watched.output.symlink_to(full)
    process = watched.start()
    watched.wait_for("first")
    watched.outcome()
    assert process.poll() is None


def test_application_starts_on_the_last_good_file_without_an_agent(make: Make) -> None:
    watched = make()
    process = watched.start_on("first")
    process.terminate()
    assert process.wait(20) == 7
    watched.staging.unlink()
    assert watched.start().poll() is None
    watched.wait_for("first")
    assert watched.count("application_started") == 2


def test_signals_reach_the_application_and_its_exit_code_returns(make: Make) -> None:
    watched = make()
    process = watched.start_on("first")
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: watched.get("got") == "USR1", "the signal")
    live = json.loads(watched.live.read_text())
    watched.live.write_text(json.dumps({**live, "mood": "crash"}))
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 3  # a crash that no delivery caused


def test_second_watch_of_a_file_is_rejected(make: Make) -> None:
    watched = make()
    watched.start_on("first")
    assert watched.start().wait(20) == 1
    message = f"{watched.live}: another delivery watches this file; stop it first"
    assert message in watched.output.read_text()


def test_crash_on_the_first_file_returns_its_exit_code(make: Make) -> None:
    watched = make()
    watched.render("first", "crash")
    assert watched.start().wait(30) == 3
    assert watched.count("unhealthy_on_first_file") == 1


def test_stop_during_a_trial_stops_the_application(make: Make) -> None:
    watched = make(options=("--reload", "SIGHUP", "--within", "60", "--settle", "0.2"))
    watched.render("first", "ill")
    process = watched.start()
    wait_until(lambda: watched.get("health") == "ill", "the trial")
    process.terminate()
    assert process.wait(20) == 7


def test_waiting_file_is_delivered_later(make: Make) -> None:
    watched = make()
    models = watched.folder / "models.py"
    text = models.read_text()
    models.unlink()
    watched.render("first")
    watched.start()
    wait_until(lambda: watched.output.exists() and watched.count("waiting"), "a failed delivery")
    assert not watched.live.exists()
    models.write_text(text)
    watched.wait_for("first")
    assert watched.outcome().state is State.DELIVERED


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_CHILD_SUBREAPER is Linux's")
def test_orphans_are_reaped(make: Make) -> None:
    watched = make()
    watched.render("first")
    process = watched.start(sys.executable, "-c", SUBREAPER)
    watched.wait_for("first")
    orphan = Path(f"/proc/{watched.get('orphan')}")
    wait_until(lambda: not orphan.exists(), "the end of the orphan")
    assert process.poll() is None


def test_without_any_file_the_command_gives_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    time = [0.0]
    clock = Clock(
        lambda: time[0],
        lambda seconds: time.__setitem__(0, time[0] + seconds),
        lambda: datetime(2026, 1, 2, tzinfo=UTC),
        lambda: 0.0,
    )
    target = Target(tmp_path / "app.json", "models:Config", FileAccess())
    application = ChildApplication(["no-such-program"])
    health = Health(None, 1.0, 0.0)
    watch = DeliveryWatch(tmp_path / "staged", target, application, Reload(), health, clock)
    assert WatchProcess(watch).run() == 1
    assert time[0] == pytest.approx(FIRST_FILE_SECONDS, abs=1)
    assert "no usable file within 120 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--staging s -- sleep 1", "only --watch takes a command"),
        ("--watch s --never-fail -- sleep 1", "--never-fail is for --staging"),
        ("--watch s --every 5 -- sleep 1", "--every is for --watch with --from-sdk"),
        ("--staging s --from-sdk k --every 5", "--every is for --watch with --from-sdk"),
        ("--watch s --from-sdk k --every 0.5 -- a", "0.5 s; expected 1 to 86400"),
        ("--watch s --from-sdk k --every nan -- a", "nan s; expected 1 to 86400"),
        ("--watch s --reload SIGHUP", "--reload SIGHUP needs the application's command"),
        ("--watch s --reload restart", "--reload restart needs the application's command"),
        ("--watch s", "--health is needed to see how it runs"),
        ("--watch s --", "there is no command after --"),
        ("--watch s --reload HUP -- sleep 1", "'HUP' is no way to reload; expected none"),
        ("--watch s --health 127.0.0.1:80 -- sleep 1", "is no URL; expected http"),
        ("--watch s --health ftp://h/p -- sleep 1", "is no URL; expected http"),
        ("--watch s --reload http://a:b@h/p -- sleep 1", "contains credentials; remove them"),
        ("--watch s --settle 31 -- sleep 1", "--settle must be at least 0, and not above"),
        ("--watch s --settle -1 -- sleep 1", "--settle must be at least 0, and not above"),
        ("--watch s --within soon -- sleep 1", "invalid float value"),
        ("--watch s --staging s -- sleep 1", "not allowed with argument"),
        ("-- sleep 1", "one of the arguments --staging --watch is required"),
    ],
)
def test_wrong_usage_is_rejected(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--live", "app.json", "--model", "models:Config"]
    with pytest.raises(SystemExit) as caught:
        main([*common, *arguments.split()])
    assert caught.value.code == 64
    assert message in capsys.readouterr().err


def test_program_that_cannot_be_started_is_named(make: Make) -> None:
    watched = make()
    watched.render("first")
    process = watched.run(
        [
            *(sys.executable, "-m", "app_integration", "deliver", "--model", "models:Config"),
            *("--watch", str(watched.staging), "--live", str(watched.live)),
            *("--", "no-such-program"),
        ]
    )
    assert process.wait(30) == 1
    assert "no-such-program: No such file or directory" in watched.output.read_text()
    assert watched.live.exists()
