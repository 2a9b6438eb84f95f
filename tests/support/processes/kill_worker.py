"""Applies a small declaration and kills itself after a number of writes; run by a test.

It reads jobs from standard input, one JSON line each. For each it forks: the child applies, and is
really killed; the parent prints the signal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from app_integration.auth.methods import StaticToken
from app_integration.names import KV_MOUNT, Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from policies.render import render_policies
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.adopted import Adoption
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import Derived, Generated, ServiceDeclaration
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.ownership import ManagedResource

#: What is declared at first, and what is left of it later: the rest is to be pruned.
ALL, MORE, FEWER = "all", "more", "fewer"
#: The secret whose password the server rotates, and the one that was given for its user.
ADOPTED: Final = "database-url"
USER_PASSWORD: Final = "given-to-the-user"
#: With everything that holds data.
PRUNE: Final = Prune(
    Environment.DEV,
    (
        "secret/annex/dev/token",
        "secret/gaara-store/dev/mail-url",
        "transit/annex-dev-pii",
    ),
)


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        kill_after: writes after which to die; 0 for never.
        workers: requests at once.
        scene: which declaration.
        file: a saved plan to carry out in place of a new one.

    """

    namespace: str
    kill_after: int = 0
    workers: int = 1
    scene: str = ALL
    file: str | None = None


class InNamespace(Session):
    """A session whose every path lies in a namespace, killing its process after some writes."""

    def __init__(self, address: str, token: str, namespace: str, kill_after: int = 0) -> None:
        super().__init__(address, StaticToken(Secret(token)))
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


def declared(database: int, scene: str, user: str) -> Declaration:
    """The project's declaration for dev, more or fewer; *database* is a port.

    At first the server rotates the password of the database user *user*. What comes later leaves
    that out: who wants a secret back that was adopted has a command of its own.
    """
    found = load()
    scope = Scope("gaara-store", Environment.DEV)
    service, dev = found.service("gaara-store"), found.environment(Environment.DEV)
    if scene == FEWER:
        without = service.model_copy(update={"database": None})
        return Declaration({"gaara-store": without}, found.environments)
    mail = Derived(source="derived", format="smtp://{jwt-secret}")
    services = {
        "gaara-store": service.model_copy(update={"secrets": {**service.secrets, "mail-url": mail}})
    }
    if scene == MORE:
        services["annex"] = _annex(service)
        update = {
            "people": {**dev.people, "leaver": dev.people["developer"]},
            "password_policies": {
                **dev.password_policies,
                "spare": dev.password_policies["database"],
            },
            "services": {**dev.services, "annex": dev.services["gaara-store"]},
        }
        dev = dev.model_copy(update=update)
    if scene == ALL:
        adopted = {ADOPTED: Adoption(username=user)}
        store = dev.services["gaara-store"].model_copy(update={"adopted": adopted})
        dev = dev.model_copy(update={"services": {**dev.services, "gaara-store": store}})
    environments = {**found.environments, Environment.DEV: dev}
    changed = Declaration(services, environments)
    return changed.with_deployment(scope, database=Endpoint("127.0.0.1", database))


def _annex(store: ServiceDeclaration) -> ServiceDeclaration:
    """A small service beside the store."""
    token = Generated(source="generated", length=32, alphabet="alphanumeric")
    return store.model_copy(
        update={
            "service": "annex",
            "secrets": {"token": token},
            "keys": {"pii": store.keys["pii"]},
            "database": None,
        }
    )


def wanted(
    namespace: str, database: int, supply: Mapping[str, str], scene: str = ALL
) -> list[Resource]:
    """What is to be on the server; each namespace has database users of its own."""
    user = f"{namespace}_app"
    declaration = declared(database, scene, user)
    policies = render_policies(declaration, Environment.DEV)
    url = f"postgresql://{user}:{USER_PASSWORD}@127.0.0.1:{database}/postgres"
    given = {**supply, **({f"{KV_MOUNT}/gaara-store/dev/{ADOPTED}": url} if scene == ALL else {})}
    values = Inputs({path: Secret(value) for path, value in given.items()})
    resources = desired_resources(declaration, Environment.DEV, policies, values)
    return [_with_manager(resource, f"{namespace}_manager") for resource in resources]


def _with_manager(resource: Resource, manager: str) -> Resource:
    if not isinstance(resource, ManagedResource) or not isinstance(
        resource.resource, DatabaseConnection
    ):
        return resource
    return replace(resource, resource=replace(resource.resource, username=manager))


def run(
    session: Session, resources: list[Resource], workers: int, prune: Prune | None = None
) -> Plan:
    """Plan and apply; gives the plan."""
    plan = build_plan(session, resources, prune)
    apply(session, plan, lambda _: None, workers)
    return plan


def run_saved(session: Session, resources: list[Resource], file: Path, workers: int) -> None:
    """Carry out the plan in *file*, as ``apply FILE`` does."""
    saved = plan_file.load(file)
    plan = build_plan(session, resources, saved.prune)
    saved.require_current(plan)
    apply(session, plan, lambda _: None, workers)


def _do(job: Job, settings: Mapping[str, Any]) -> None:
    session = InNamespace(settings["address"], settings["token"], job.namespace, job.kill_after)
    resources = wanted(job.namespace, settings["database"], settings["supply"], job.scene)
    if job.file is not None:
        run_saved(session, resources, Path(job.file), job.workers)
    else:
        run(session, resources, job.workers, PRUNE if job.scene == FEWER else None)


def main() -> None:
    """Serve the lines of standard input."""
    settings = json.loads(sys.stdin.readline())
    for line in sys.stdin:
        job = Job(**json.loads(line))
        child = os.fork()
        if child == 0:
            _do(job, settings)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{-os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
