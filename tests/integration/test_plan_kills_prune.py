"""Kills of ``apply --prune`` and of ``apply plan.json`` after each of their writes.

A service, a person, a database with its role and a secret are no longer declared, and some of the
other objects have drifted. The next apply always ends in the same state, and the plan after it is
empty.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import KV_MOUNT, Environment
from app_integration.session.session import Session
from tests.support.processes.kill_bench import INPUTS, PARALLEL_RUNS, Bench, kill_bench
from tests.support.processes.kill_worker import (
    FEWER,
    MORE,
    PRUNE,
    Job,
    apply_saved,
    run,
    scene_resources,
)
from tests.support.servers.deployment import Deployment
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.dependencies import PRUNABLE, list_path
from vault.reconcile.planning.plan import Action
from vault.reconcile.resources import Resource

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

#: Concurrent requests in each run: one, so that the k-th write is always the same.
WORKERS = 1
DIRECT, SAVED = "direct", "saved"
BY_HAND: dict[str, dict[str, Any]] = {
    "auth/approle/role/gaara-store-dev": {"token_num_uses": 5},
    "transit/keys/gaara-store-dev-pii/config": {"auto_rotate_period": "24h"},
    "secret/metadata/gaara-store/dev/jwt-secret": {"custom_metadata": {"owner": "nobody"}},
    "secret/config": {"max_versions": 3},
}


@pytest.fixture(scope="module")
def bench(deployment: Deployment) -> Iterator[Bench]:
    with kill_bench(deployment) as running:
        yield running


def resources(bench: Bench, namespace: str, variant: str) -> list[Resource]:
    return scene_resources(namespace, bench.database, INPUTS, variant)


def prepare(bench: Bench, namespace: str) -> str:
    """Apply everything, change some of it by hand, and return the name of a leased user."""
    bench.create_namespace(namespace)
    with bench.session(namespace) as session:
        run(session, resources(bench, namespace, MORE), 8)
        for path, body in BY_HAND.items():
            session.post(path, body)
        return str(session.get("database/creds/gaara-store-dev")["data"]["username"])


def saved_plan(bench: Bench, session: Session, namespace: str, folder: Path) -> Path:
    """Save a plan as ``plan --prune --out`` does, and return the file."""
    file = folder / f"{namespace}.json"
    plan = build_plan(session, resources(bench, namespace, FEWER), PRUNE)
    plan_file.save(file, plan_file.document(plan, Environment.DEV, PRUNE))
    return file


def end_state(bench: Bench, session: Session, namespace: str) -> dict[str, Any]:
    """Return the names of all objects, and the server's fields of the declared ones."""
    # Without quotas, because a namespace has none.
    paths = [list_path(kind, DEFAULT_MOUNTS) for kind in PRUNABLE if kind != "rate-limit"]
    state: dict[str, Any] = {path: sorted(session.list(path)) for path in paths}
    state["secrets"] = sorted(_tree(session, ""))
    for resource in resources(bench, namespace, FEWER):
        fields = resource.read(session) or {}
        # Without versions, because a killed run may write twice; the texts are compared.
        state[f"{resource.kind} {resource.name}"] = {
            key: str(value) for key, value in fields.items() if key != "version"
        }
    neutral: dict[str, Any] = json.loads(json.dumps(state).replace(f"{namespace}_", "_"))
    return neutral


def _tree(session: Session, folder: str) -> Iterator[str]:
    for key in session.list(f"{KV_MOUNT}/metadata/{folder}"):
        if key.endswith("/"):
            yield from _tree(session, f"{folder}{key}")
        else:
            yield f"{folder}{key}"


def repeat_after_kill(bench: Bench, session: Session, namespace: str, saved: Path | None) -> None:
    """Do what an operator does after a kill: run the same command again, or save a new plan."""
    left = resources(bench, namespace, FEWER)
    if saved is None:
        run(session, left, WORKERS, PRUNE)
        return
    with pytest.raises(plan_file.PlanOutdated):
        apply_saved(session, left, saved, WORKERS)
    apply_saved(session, left, saved_plan(bench, session, namespace, saved.parent), WORKERS)


def state_after_kill(
    bench: Bench, mode: str, folder: Path, kill_after: int, step: int
) -> dict[str, Any]:
    """Return the end state after a run that was killed and was then repeated."""
    namespace = f"k{kill_after}{mode}{step}"
    leased = prepare(bench, namespace)
    with bench.session(namespace) as session:
        file = saved_plan(bench, session, namespace, folder) if mode == SAVED else None
        job = Job(namespace, kill_after, WORKERS, FEWER, str(file) if file else None)
        assert bench.apply_in_child(job) == signal.SIGKILL
        repeat_after_kill(bench, session, namespace, file)
        again = build_plan(session, resources(bench, namespace, FEWER), PRUNE)
        assert again.changes == ()
        assert set(again.absent) == set(PRUNE.destroy)
        assert leased not in bench.users()
        return end_state(bench, session, namespace)


@pytest.fixture(scope="module")
def clean(bench: Bench) -> tuple[int, dict[str, Any]]:
    """Return the number of writes and the end state of a run without a kill."""
    prepare(bench, "k0")
    with bench.session("k0") as session:
        plan = run(session, resources(bench, "k0", FEWER), WORKERS, PRUNE)
        kinds = {change.kind for change in plan.changes if change.is_deletion}
        made = {each.kind for each in resources(bench, "k0", MORE)}
        assert kinds == {*PRUNABLE, "secret-metadata"} & made
        assert len(kinds) >= 8
        assert plan.count(Action.UPDATE) >= len(BY_HAND)
        return session.writes, end_state(bench, session, "k0")


@pytest.mark.parametrize(
    ("mode", "step"),
    [
        *((DIRECT, 3), (SAVED, 7)),
        *(pytest.param(mode, 1, marks=pytest.mark.nightly) for mode in (DIRECT, SAVED)),
    ],
)
def test_prune_after_a_kill_at_any_write_ends_in_the_same_state(
    bench: Bench, clean: tuple[int, dict[str, Any]], tmp_path: Path, mode: str, step: int
) -> None:
    """Kill after each *step*-th write. A saved plan is applied by the same code as another."""
    writes, state = clean
    assert writes > 25
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        kills = range(1, writes + 1, step)
        ends = list(pool.map(lambda k: state_after_kill(bench, mode, tmp_path, k, step), kills))
    assert ends == [state] * len(kills)
