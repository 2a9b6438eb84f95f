"""Benchmark of a plan without changes against only reading the same paths.

    make bench

It plans two hundred services in three environments, each on a server of its own in memory. The
floor reads each path of the plan once, over the same session and with as many concurrent requests.
Only the ratio is comparable, because seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console

from app_integration.errors import RequestRefused
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from console.views.plan import progress
from policies.render import render_policies
from tests.support.servers.dev_server import dev_server, root
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.plan import WORKERS
from vault.reconcile.resources import ReadSession, Resource

TEMPLATE: Final = "gaara-store"


@dataclass
class RecordingReader:
    """A reader that records the paths of its requests."""

    session: Session
    gets: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)

    def get(self, path: str) -> dict[str, Any]:
        """Record *path* and read it. See :meth:`Session.get`."""
        self.gets.add(path)
        return self.session.get(path)

    def list(self, path: str) -> list[str]:
        """Record *path* and list it. See :meth:`Session.list`."""
        self.lists.add(path)
        return self.session.list(path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request that is not recorded. See :meth:`Session.post`."""
        return self.session.post(path, body)


def build_declaration(services: int) -> Declaration:
    """Return a declaration with *services* copies of the example in each environment.

    They have neither database nor Redis, because the benchmark runs none.
    """
    found = load()
    one = found.service(TEMPLATE).model_copy(update={"database": None, "redis": None})
    names = [f"shop-{number:03}" for number in range(services)]
    environments = {
        name: each.model_copy(
            update={
                "people": {},
                "lockout": None,
                "services": dict.fromkeys(names, each.services[TEMPLATE]),
            }
        )
        for name, each in found.environments.items()
    }
    return Declaration(
        {name: one.model_copy(update={"service": name}) for name in names}, environments
    )


def environment_resources(declaration: Declaration, environment: Environment) -> list[Resource]:
    """Return the desired resources of *environment*, with one text for all provided values."""
    given = {
        f"secret/{scope.secret(name)}": Secret("given")
        for scope in declaration.scopes(environment)
        for name, source in declaration.secrets(scope).items()
        if source.source == "given"
    }
    policies = render_policies(declaration, environment)
    return desired_resources(declaration, environment, policies, Inputs(given))


def read_all(reader: ReadSession, gets: set[str], lists: set[str]) -> None:
    """Read each path once, with as many concurrent requests as a plan."""

    def get(path: str) -> None:
        try:
            reader.get(path)
        except RequestRefused:
            return  # because a plan also sends a request for a missing resource

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(get, sorted(gets)))
        list(pool.map(reader.list, sorted(lists)))


def measure_seconds(act: Callable[[], object]) -> float:
    """Return the seconds that *act* takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def measure(
    console: Console, declaration: Declaration, environment: Environment, rounds: int
) -> tuple[float, float]:
    """Apply *declaration*, and return the median seconds of reading and of planning."""
    with dev_server() as address, root(address) as session:
        plan = build_plan(session, environment_resources(declaration, environment))
        with progress(console, plan) as on_change:
            shown = on_change if console.is_terminal else lambda _change: None
            seconds = measure_seconds(lambda: apply(session, plan, shown))
        console.print(f"{environment}: first apply, {len(plan.changes)} changes: {seconds:.1f} s")
        recording = RecordingReader(session)
        again = build_plan(recording, environment_resources(declaration, environment))
        if again.changes or again.missing:
            raise SystemExit(f"{environment}: the second plan is not empty; fix the plan first")
        pairs = [
            (
                measure_seconds(lambda: read_all(session, recording.gets, recording.lists)),
                measure_seconds(
                    lambda: build_plan(session, environment_resources(declaration, environment))
                ),
            )
            for _ in range(rounds)
        ]
        reading, planning = (statistics.median(each) for each in zip(*pairs, strict=True))
        requests = len(recording.gets) + len(recording.lists)
        console.print(
            f"{environment}: {again.unchanged} resources, {requests} requests: "
            f"reading {reading:.2f} s, plan {planning:.2f} s, ratio {planning / reading:.2f}"
        )
    return reading, planning


def main() -> None:
    """Measure each environment and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False)
    declaration = build_declaration(arguments.services)
    results = [
        measure(console, declaration, each, arguments.rounds) for each in declaration.environments
    ]
    reading, planning = (sum(each) for each in zip(*results, strict=True))
    console.print(
        f"in all: reading {reading:.2f} s, plan {planning:.2f} s, ratio {planning / reading:.2f}"
    )


if __name__ == "__main__":
    main()
