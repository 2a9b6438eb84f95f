"""Worker that applies a small declaration in children that kill themselves after some writes.

It reads jobs from standard input, one JSON line each. It runs each in a forked child, which kills
itself after a number of writes, and prints the signal.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from app_integration.auth.methods import StaticToken
from app_integration.names import KV_MOUNT, Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.transport.request import Request, Response
from policies.render import render_policies
from tests.support.processes.killed_steps import kill, run_lines
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.declare.schema.adopted_secret import Adoption
from vault.declare.schema.field_types import Endpoint
from vault.declare.schema.model import ServiceDeclaration
from vault.declare.schema.secret_sources import Derived, Generated
from vault.reconcile.desired.desired import desired_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import apply
from vault.reconcile.planning.build import Prune, build_plan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import Resource
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.ownership import ManagedResource

#: Variants of the declaration. FEWER leaves things out, which are then pruned.
ALL, MORE, FEWER = "all", "more", "fewer"
#: The adopted secret, whose password the server rotates, and the initial password of its user.
ADOPTED: Final = "database-url"
USER_PASSWORD: Final = "given-to-the-user"
#: With time for a request that waits for PostgreSQL on a busy machine: a repeated write would count
#: twice, and a child that fails is not killed.
PATIENT: Final = Limits(deadline=60.0)
#: Pruning with confirmation of everything that contains data.
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
    namespace: str
    kill_after: int = 0
    workers: int = 1
    variant: str = ALL
    file: str | None = None


class NamespacedSession(Session):
    """A session in a namespace, which kills its process after *kill_after* writes."""

    def __init__(self, address: str, token: str, namespace: str, kill_after: int = 0) -> None:
        super().__init__(address, StaticToken(Secret(token)), limits=PATIENT)
        self._namespace = namespace
        self._kill_after = kill_after
        self._writes = 0
        self._counting = threading.Lock()
        self._exchange = self.requests.exchange
        self.requests.exchange = self._count  # type: ignore[method-assign] # of this session

    @property
    def writes(self) -> int:
        return self._writes

    def _count(self, request: Request, timeout: float | None = None) -> Response:
        named = replace(request, target=f"{self._namespace}/{request.target}")
        response = self._exchange(named, timeout)
        if request.method in {"POST", "DELETE"} and "/hmac/" not in request.path:
            with self._counting:
                self._writes += 1
                if self._writes == self._kill_after:
                    kill()
        return response


#: One parse, because hundreds of runs use the same declaration.
_load: Final = cache(load)


def quick_stretching() -> AbstractContextManager[object]:
    """Stretch passwords hardly at all during the block: hundreds of plans do it, at 0.1 s each."""
    return patch.dict("vault.reconcile.resources.write_only._SCRYPT", n=2)


def declared(database: int, variant: str, user: str) -> Declaration:
    """Return a variant of the project's declaration for dev.

    Only the variant ALL has an adopted secret, because ``adopt --undo`` reverts an adoption, and
    pruning does not.
    """
    found = _load()
    scope = Scope("gaara-store", Environment.DEV)
    # Without Redis, which does not run here, and the header of the root namespace.
    service = found.service("gaara-store").model_copy(update={"redis": None})
    dev = found.environment(Environment.DEV)
    server = dev.vault.model_copy(update={"audit_trace_ids": False})
    dev = dev.model_copy(update={"vault": server})
    # One service is enough for each kind of object, and fewer writes mean fewer kills.
    dev = dev.model_copy(update={"services": {"gaara-store": dev.services["gaara-store"]}})
    if variant == FEWER:
        without = service.model_copy(update={"database": None})
        return Declaration({"gaara-store": without}, {Environment.DEV: dev})
    mail = Derived(source="derived", format="smtp://{jwt-secret}")
    services = {
        "gaara-store": service.model_copy(update={"secrets": {**service.secrets, "mail-url": mail}})
    }
    if variant == MORE:
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
    if variant == ALL:
        adopted = {ADOPTED: Adoption(username=user)}
        store = dev.services["gaara-store"].model_copy(update={"adopted": adopted})
        dev = dev.model_copy(update={"services": {**dev.services, "gaara-store": store}})
    environments = {**found.environments, Environment.DEV: dev}
    changed = Declaration(services, environments)
    return changed.with_deployment(scope, database=Endpoint("127.0.0.1", database))


def _annex(store: ServiceDeclaration) -> ServiceDeclaration:
    token = Generated(source="generated", length=32, alphabet="alphanumeric")
    return store.model_copy(
        update={
            "service": "annex",
            "secrets": {"token": token},
            "keys": {"pii": store.keys["pii"]},
            "database": None,
        }
    )


def scene_resources(
    namespace: str, database: int, inputs: Mapping[str, str], variant: str = ALL
) -> list[Resource]:
    """Return the desired resources of *namespace*, which has database users of its own."""
    user = f"{namespace}_app"
    declaration = declared(database, variant, user)
    policies = render_policies(declaration, Environment.DEV)
    url = f"postgresql://{user}:{USER_PASSWORD}@127.0.0.1:{database}/postgres"
    adopted = {f"{KV_MOUNT}/gaara-store/dev/{ADOPTED}": url} if variant == ALL else {}
    values = Inputs({path: Secret(value) for path, value in {**inputs, **adopted}.items()})
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
    """Plan and apply, and return the plan."""
    plan = build_plan(session, resources, prune)
    apply(session, plan, lambda _: None, workers)
    return plan


def apply_saved(session: Session, resources: list[Resource], file: Path, workers: int) -> None:
    """Apply the saved plan in *file*, as ``apply FILE`` does."""
    saved = plan_file.load(file)
    plan = build_plan(session, resources, saved.prune)
    saved.require_current(plan)
    apply(session, plan, lambda _: None, workers)


def _do(job: Job, settings: Mapping[str, Any]) -> None:
    session = NamespacedSession(
        settings["address"], settings["token"], job.namespace, job.kill_after
    )
    resources = scene_resources(
        job.namespace, settings["database"], settings["inputs"], job.variant
    )
    if job.file is not None:
        apply_saved(session, resources, Path(job.file), job.workers)
    else:
        run(session, resources, job.workers, PRUNE if job.variant == FEWER else None)


def main() -> None:
    """Read the settings from the first line of standard input, then run the job of each line."""
    settings = json.loads(sys.stdin.readline())
    _load()
    with quick_stretching():
        run_lines(lambda line: _do(Job(**json.loads(line)), settings))


if __name__ == "__main__":
    main()
