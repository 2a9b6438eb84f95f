"""Agents of a deployment whose secrets have no value yet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any, cast

import pytest

from app_integration.names import Environment, Scope
from local.runtime_interface import Status
from local.services.agents import Agents
from local.services.local_agent import LocalAgent, ValuesMissing

SCOPE = Scope("tracking", Environment.DEV)


class Agent:
    """Agent of ``tracking``, which notes what is done with its files."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def check_values(self, missing: Collection[str]) -> None:
        if missing:
            raise ValuesMissing(SCOPE, ["carrier-token"])

    def write_files(self, *, is_forced: bool) -> str:
        self.done.append(f"written, {is_forced=}")
        return "generation"

    def remove(self) -> None:
        self.done.append("removed")

    def is_delivered(self, _generation: str) -> bool:
        return True

    def check_delivered(self) -> None:
        """Find nothing wrong."""


class Host:
    """Runner whose agents run."""

    vault_address = "http://127.0.0.1:8200"

    def __init__(self, *, needs_values: bool) -> None:
        self.needs_values = needs_values

    def status(self) -> Status:
        return Status("agent", "Agents", 0, running=True, pid=None, since=None)

    def start(self) -> None:
        """Do nothing."""

    def wait_until(self, is_delivered: Callable[[], bool], _seconds: float) -> None:
        assert is_delivered()

    def stop(self) -> None:
        """Do nothing."""


def deliver(agent: Agent, host: Host | None, missing: Collection[str]) -> Any:
    agents = Agents({"tracking": cast(LocalAgent, agent)}, host)
    return agents.deliver(lambda _title: nullcontext(), missing=missing)


@pytest.mark.parametrize(
    ("needs_values", "done"), [(True, ["removed"]), (False, ["written, is_forced=False"])]
)
def test_agent_without_values_is_started_only_where_it_may_wait(
    needs_values: bool, done: list[str]
) -> None:
    agent = Agent()
    result = deliver(agent, Host(needs_values=needs_values), ["tracking/dev/carrier-token"])
    assert agent.done == done
    assert isinstance(result.errors["tracking"], ValuesMissing)


def test_missing_values_of_an_agent_in_a_container_are_reported_outside() -> None:
    result = deliver(Agent(), None, ["tracking/dev/carrier-token"])
    assert "no value for carrier-token" in str(result.errors["tracking"])
    assert deliver(Agent(), None, []).errors == {}


def test_agent_with_all_values_delivers() -> None:
    assert deliver(Agent(), Host(needs_values=True), []).delivered == ("tracking",)
