"""Applies a small declaration and kills itself after a number of writes; run by a test.

It reads lines from standard input: a namespace and the number of writes after which to die (0 for
never). For each it forks: the child applies, and is really killed; the parent prints the signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app_integration.login import GivenToken
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session import Session
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.fields import Endpoint
from vault.declare.load import load
from vault.declare.model import Derived
from vault.reconcile.apply import apply
from vault.reconcile.compare import compare
from vault.reconcile.desired import desired
from vault.reconcile.plan import Plan
from vault.reconcile.records import Recorded
from vault.reconcile.resources import Resource
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.supply import Supply


class InNamespace(Session):
    """A session whose every path lies in a namespace, killing its process after some writes."""

    def __init__(self, address: str, token: str, namespace: str, kill_after: int = 0) -> None:
        super().__init__(address, GivenToken(Secret(token)))
        self._namespace = namespace
        self._kill_after = kill_after
        self._writes = 0
        self._counting = threading.Lock()

    @property
    def writes(self) -> int:
        return self._writes

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = super()._request(method, f"{self._namespace}/{path}", **options)
        if method in {"POST", "DELETE"} and "/hmac/" not in path:
            with self._counting:
                self._writes += 1
                if self._writes == self._kill_after:
                    os.kill(os.getpid(), signal.SIGKILL)
        return answer


def declared(database: int) -> Declaration:
    """The project's declaration for dev, with a derived secret; *database* is a port."""
    found = load()
    scope = Scope("gaara-store", Environment.DEV)
    service = found.service("gaara-store")
    secrets = {
        **service.secrets,
        "mail-url": Derived(source="derived", format="smtp://{jwt-secret}"),
    }
    service = service.model_copy(update={"secrets": secrets})
    changed = Declaration({"gaara-store": service}, found.environments)
    return changed.with_deployment(scope, database=Endpoint("127.0.0.1", database))


def wanted(namespace: str, database: int, supply: Mapping[str, str]) -> list[Resource]:
    """What is to be on the server; each namespace has a database manager of its own."""
    declaration = declared(database)
    policies = render_policies(declaration, Environment.DEV)
    values = Supply({path: Secret(value) for path, value in supply.items()})
    resources = desired(declaration, Environment.DEV, policies, values)
    return [_with_manager(resource, f"{namespace}_manager") for resource in resources]


def _with_manager(resource: Resource, manager: str) -> Resource:
    if not isinstance(resource, Recorded) or not isinstance(resource.resource, DatabaseConnection):
        return resource
    return replace(resource, resource=replace(resource.resource, username=manager))


def run(session: Session, resources: list[Resource], workers: int) -> Plan:
    """Plan and apply; gives the plan."""
    plan = compare(session, resources)
    apply(session, plan, lambda _: None, workers)
    return plan


def main() -> None:
    """Serve the lines of standard input."""
    settings = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        namespace, kill_after, workers = line.split()
        child = os.fork()
        if child == 0:
            session = InNamespace(
                settings["address"], settings["token"], namespace, int(kill_after)
            )
            resources = wanted(namespace, settings["database"], settings["supply"])
            run(session, resources, int(workers))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{-os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
