"""Command ``deliver --watch --from-sdk`` beside an application, on Secrets Manager of moto."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_integration._internal.private_file import stamp
from app_integration.config.delivery_status import State, Status, read_status
from app_integration.config.loader import DeliveryMetrics
from app_integration.diagnosis.check import Broken
from app_integration.diagnosis.service import check_config
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder
from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until
from tests.support.processes.sdk_delivery import TEMPLATE, backend_of_variables, write_skeleton
from tests.support.processes.watched_application import WatchedApplication
from tests.support.servers.secret_backends import AwsBackend, AwsSite

CANARY = "canary-7c41"


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    with backend_of_variables(aws_site, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def watched(backend: AwsBackend, tmp_path: Path) -> Iterator[WatchedApplication]:
    skeleton = write_skeleton(backend.scope, tmp_path, "app.json", TEMPLATE)
    options = ["--from-sdk", str(skeleton), "--every", "1", "--reload", "SIGHUP"]
    options += ["--settle", "0.1", "--within", "2"]
    made = WatchedApplication(tmp_path, free_ports(1)[0], options)
    backend.put("mood", "well")
    yield made
    made.end()


def wait_for_status(watched: WatchedApplication, state: State) -> Status:
    def found() -> Status | None:
        status = read_status(watched.live)
        return status if status is not None and status.state is state else None

    status = wait_until(found, f"the state {state}")
    assert status is not None
    return status


class Deliveries(Recorder):
    """A recorder of the last delivery."""

    is_live: bool | None = None

    def record_delivery(self, file: str, delivered: float, *, is_live: bool) -> None:  # noqa: ARG002 (the interface)
        self.is_live = is_live


def recorded_as_live(live: Path) -> bool | None:
    """Return what the metrics of an application say of the delivery of *live*."""
    recorder, before = Deliveries(), metrics.get_recorder()
    metrics.set_recorder(recorder)
    try:
        DeliveryMetrics(live).record()
    finally:
        metrics.set_recorder(before)
    return recorder.is_live


def test_rotated_value_is_delivered_and_an_unchanged_one_touches_nothing(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    watched.start()
    watched.wait_for("first")
    watched.outcome()
    before, reads = stamp(watched.live), backend.count_reads()
    wait_until(lambda: backend.count_reads() >= reads + 2, "two further readings")
    assert stamp(watched.live) == before
    backend.put("value", "second")
    watched.wait_for("second")
    assert watched.outcome().state is State.DELIVERED
    wait_until(lambda: watched.count("confirmed") == 2, "the event of the second file")


def test_outage_does_not_bring_a_rejected_file_back(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    watched.start()
    watched.wait_for("first")
    watched.outcome()
    backend.put("mood", "ill")
    wait_for_status(watched, State.ROLLED_BACK)
    with backend.unavailable():
        wait_until(lambda: watched.count("not_rendered"), "a failed reading")
    reads = backend.count_reads()
    wait_until(lambda: backend.count_reads() >= reads + 2, "two readings after it")
    assert watched.count("rolled_back") == 1
    assert watched.outcome().state is State.ROLLED_BACK
    watched.wait_for("first")


def test_outage_keeps_the_file_and_shows_in_status_and_metrics(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", CANARY)
    process = watched.start()
    watched.wait_for(CANARY)
    watched.outcome()
    before = stamp(watched.live)
    assert recorded_as_live(watched.live) is True
    with backend.unavailable():
        status = wait_for_status(watched, State.WAITING)
        assert "t/app.json.j2" in str(status.reason)
        assert "cannot be read" in str(status.reason)
        assert recorded_as_live(watched.live) is False
        with pytest.raises(Broken, match=r"is that of before; since .* the delivery is waiting: "):
            check_config(watched.live)
        process.terminate()
        process.wait(20)
        watched.start()
        watched.wait_for(CANARY)  # on the last good file
    assert wait_for_status(watched, State.UNCHANGED).reason is None
    assert recorded_as_live(watched.live) is True
    assert check_config(watched.live) == str(watched.live)
    assert stamp(watched.live) == before
    assert CANARY not in watched.output.read_text()


def test_killed_processes_leave_nothing_behind_and_deliver_again(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    process = watched.start()
    watched.wait_for("first")
    watched.outcome()
    os.kill(renderer_of(process.pid), signal.SIGKILL)
    assert "ended" in str(wait_for_status(watched, State.WAITING).reason)
    wait_for_status(watched, State.UNCHANGED)
    assert process.poll() is None
    renderer = renderer_of(process.pid)
    process.kill()
    process.wait()
    wait_until(lambda: not Path(f"/proc/{renderer}").exists(), "the end of the renderer")
    backend.put("value", "second")
    watched.start()
    watched.wait_for("second")


def renderer_of(pid: int) -> int:
    """Return the child of *pid* that reads secrets."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    commands = {int(each): Path(f"/proc/{each}/cmdline").read_text() for each in children}
    (found,) = [each for each in commands if "app_integration.rendering" in commands[each]]
    return found


def test_watch_on_a_skeleton_that_is_refused_ends_unless_there_is_a_file(
    backend: AwsBackend, watched: WatchedApplication
) -> None:
    backend.put("value", "first")
    skeleton = Path(watched.options[1])
    text = skeleton.read_text()
    skeleton.write_text(text.replace('"secret": "mood"', '"pki": "issue/web"'))
    assert watched.start().wait(30) == 1
    assert "app.json.j2:2: the SDK cannot render pki" in watched.output.read_text()
    skeleton.write_text(text)
    process = watched.start()
    watched.wait_for("first")
    process.terminate()
    process.wait(20)
    skeleton.write_text("{}")
    watched.start()
    watched.wait_for("first")
    wait_for_status(watched, State.WAITING)
    assert watched.events()[-1]["level"] == "alarm"
