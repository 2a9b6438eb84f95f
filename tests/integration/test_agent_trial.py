"""Trials by the supervisor: a real agent, and an application that the supervisor did not start."""

from __future__ import annotations

import http.server
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from app_integration.config import trial
from app_integration.config.delivery_status import State
from app_integration.config.reload import Reload
from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until
from tests.support.processes.agent_fleet import (
    PATIENCE,
    TEMPLATE,
    AgentFleet,
    ServiceUnit,
)

pytestmark = pytest.mark.requires("embedded")

SEED: Final = 20261202
#: Health checks of a trial before a kill, at most.
CHECKS: Final = 2
CANARY: Final = "canary-71c4"


@dataclass
class Application:
    """Web service that loads its file at POST /reload, and is not healthy on one with ``ill``."""

    live: Path
    port: int
    loaded: list[str] = field(default_factory=list)
    health_checks: int = 0

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def run(self) -> Iterator[None]:
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                application.health_checks += 1
                is_ill = bool(application.loaded) and "ill" in application.loaded[-1]
                self.send_response(500 if is_ill else 200)
                self.end_headers()

            def do_POST(self) -> None:
                application.loaded.append(application.live.read_text())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def has_loaded(self, value: str) -> bool:
        return bool(self.loaded) and self.loaded[-1] == text(value)


def text(value: str) -> str:
    return f'key: "{value}"\n'


def add(fleet: AgentFleet, name: str) -> tuple[ServiceUnit, Application]:
    """Return a unit whose value is ``first``, and its application, which does not run."""
    unit = fleet.add(name, "first")
    application = Application(unit.delivery.live, free_ports(1)[0])
    unit.reload, unit.health = Reload(f"{application.page}/reload"), f"{application.page}/health"
    unit.write()
    return unit, application


def wait_for(unit: ServiceUnit, state: State, value: str) -> None:
    """Wait until the delivery is decided, in this state and with this value in the live file."""
    live = unit.delivery.live

    def decided() -> bool:
        status = unit.delivery.read_outcome()
        if status is None or status.state is not state or trial.is_open(live):
            return False
        return live.read_text() == text(value)

    wait_until(decided, f"{state} with {value}", PATIENCE)


def test_application_is_told_and_has_the_file_before_if_it_is_ill(fleet: AgentFleet) -> None:
    unit, application = add(fleet, "a")
    with application.run():
        fleet.start()
        wait_for(unit, State.DELIVERED, "first")
        wait_until(lambda: fleet.events("confirmed"), "the first file is confirmed", PATIENCE)
        assert application.has_loaded("first")
        unit.put(f"{CANARY}-good")
        wait_until(lambda: len(fleet.events("confirmed")) == 2, "a good file", PATIENCE)
        wait_for(unit, State.DELIVERED, f"{CANARY}-good")
        unit.put(f"{CANARY}-ill")
        wait_for(unit, State.ROLLED_BACK, f"{CANARY}-good")
        wait_until(lambda: application.has_loaded(f"{CANARY}-good"), "the application is told")
        status = unit.delivery.read_outcome()
        assert status is not None
        assert f"{application.page}/health answers with status 500" in str(status.reason)
        assert fleet.check()[0] == 1
        pid = unit.agent_pid()
        unit.put(f"{CANARY}-better")
        wait_for(unit, State.DELIVERED, f"{CANARY}-better")
        assert application.has_loaded(f"{CANARY}-better")
        assert unit.agent_pid() == pid
    assert application.loaded.count(text(f"{CANARY}-ill")) == 1
    assert CANARY not in fleet.log


def test_application_that_does_not_run_is_not_judged(fleet: AgentFleet) -> None:
    unit, application = add(fleet, "b")
    fleet.start()
    wait_for(unit, State.DELIVERED, "first")
    for value in ("second", "would-be-ill"):
        unit.put(value)
        wait_for(unit, State.DELIVERED, value)
    # One that is ill before cannot show that the next file is bad.
    application.loaded.append(text("ill-0"))
    with application.run():
        unit.put("third")
        wait_for(unit, State.DELIVERED, "third")
        wait_until(lambda: application.has_loaded("third"), "the application is told")
    wait_until(lambda: len(fleet.events("not_tried")) == 4, "four files that were not tried")
    reasons = {str(event["reason"]).partition("(")[0] for event in fleet.events("not_tried")}
    assert f"{application.page}/health answers with status 500" in reasons
    assert fleet.events("confirmed") == fleet.events("rolled_back") == []


def is_due(unit: ServiceUnit, application: Application, last: int) -> bool:
    """Return whether the trial has come to its *last* health check before a kill, or has ended."""
    return application.health_checks >= last or not trial.is_open(unit.delivery.live)


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.nightly)])
def test_kill_in_a_trial_leaves_a_whole_file_and_the_trial_is_made_again(
    fleet: AgentFleet, kills: int
) -> None:
    chance = random.Random(SEED)  # noqa: S311 (at which health check each kill comes)
    unit, application = add(fleet, "c")
    with application.run():
        fleet.start()
        wait_for(unit, State.DELIVERED, "first")
        wait_until(lambda: fleet.events("confirmed"), "the first file is confirmed", PATIENCE)
        good = "first"
        for number in range(kills):
            value = f"{'ill' if number % 3 == 2 else 'good'}-{number}"
            unit.put(value)
            wait_until(lambda: trial.is_open(unit.delivery.live), "the trial", PATIENCE)
            last = application.health_checks + chance.randint(0, CHECKS)
            wait_until(partial(is_due, unit, application, last), "the moment of the kill", PATIENCE)
            assert fleet.stop(signal.SIGKILL) == -signal.SIGKILL
            assert unit.delivery.live.read_text() in {text(good), text(value)}
            fleet.start()
            if value.startswith("ill"):
                wait_for(unit, State.ROLLED_BACK, good)
            else:
                good = value
                wait_for(unit, State.DELIVERED, good)
            wait_until(partial(application.has_loaded, good), "the application is told", PATIENCE)


def test_changed_unit_ends_a_trial_and_is_tried_anew(fleet: AgentFleet) -> None:
    unit, application = add(fleet, "d")
    with application.run():
        fleet.start()
        wait_for(unit, State.DELIVERED, "first")
        wait_until(lambda: fleet.events("confirmed"), "the first file is confirmed", PATIENCE)
        unit.put("ill-1")
        wait_until(lambda: trial.is_open(unit.delivery.live), "the trial", PATIENCE)
        unit.put("well")
        unit.source = f"{TEMPLATE}# second\n"
        unit.write()
        wait_until(lambda: unit.has_delivered("well"), "the changed unit", PATIENCE)
        wait_until(lambda: not trial.is_open(unit.delivery.live), "the end of the trial", PATIENCE)
        assert unit.delivery.live.read_text() == f"{text('well')}# second\n"
        assert application.loaded[-1] == f"{text('well')}# second\n"
