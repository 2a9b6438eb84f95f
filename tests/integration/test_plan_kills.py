"""Kills of apply after each of its writes: another apply always ends in the same state."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app_integration.errors import RequestRefused
from app_integration.secret import Secret
from tests.support.processes.kill_bench import INPUTS, PARALLEL_RUNS, Bench, kill_bench
from tests.support.processes.kill_worker import ADOPTED, Job, run, scene_resources
from tests.support.servers.deployment import Deployment
from vault.reconcile.planning.build import build_plan

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

#: Concurrent requests in each run: one, so that the k-th write is always the same.
WORKERS = 1


@pytest.fixture(scope="module")
def bench(deployment: Deployment) -> Iterator[Bench]:
    with kill_bench(deployment) as running:
        yield running


def end_state(bench: Bench, namespace: str) -> dict[str, Any]:
    """Return the server's fields of all declared resources, and the version of each value."""
    with bench.session(namespace) as session:
        state: dict[str, Any] = {}
        for resource in scene_resources(namespace, bench.database, INPUTS):
            found = resource.read(session)
            # Without versions, because a killed run may write twice; the texts are compared.
            fields = {key: str(value) for key, value in (found or {}).items() if key != "version"}
            state[f"{resource.kind} {resource.name}"] = fields
            if resource.kind in {"secret-value", "adopted-secret"}:
                data = session.get(f"secret/metadata/{resource.name}")["data"]
                state[f"versions of {resource.name}"] = data["current_version"]
    text = json.dumps(state).replace(f"{namespace}_", "_")
    neutral: dict[str, Any] = json.loads(text)
    return neutral


def apply_and_count_writes(bench: Bench, namespace: str) -> int:
    """Apply without a kill, and return the number of writes."""
    bench.create_namespace(namespace)
    with bench.session(namespace) as session:
        run(session, scene_resources(namespace, bench.database, INPUTS), WORKERS)
        return session.writes


def state_after_kill(bench: Bench, kill_after: int, workers: int, step: int = 0) -> dict[str, Any]:
    """Return the end state after an apply that was killed and one that was not."""
    namespace = f"k{kill_after}w{workers}s{step}"
    bench.create_namespace(namespace)
    initial, given = bench.password(namespace), bench.password(namespace, "app")
    assert bench.apply_in_child(Job(namespace, kill_after, workers)) == signal.SIGKILL
    after_kill, users = bench.password(namespace), bench.password(namespace, "app")
    with bench.session(namespace) as session:
        resources = scene_resources(namespace, bench.database, INPUTS)
        run(session, resources, WORKERS)
        assert build_plan(session, resources).changes == ()
    password = bench.password(namespace)
    assert password != initial
    assert after_kill in {initial, password}, "the database password was rotated twice"
    assert users in {given, bench.password(namespace, "app")}, "so was the adopted user's"
    assert bench.can_log_in(namespace)
    state = end_state(bench, namespace)
    bench.close_database(namespace)
    return state


@pytest.fixture(scope="module")
def clean(bench: Bench) -> tuple[int, dict[str, Any]]:
    """Return the number of writes and the end state of an apply without a kill."""
    writes = apply_and_count_writes(bench, "k0")
    return writes, end_state(bench, "k0")


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.nightly)])
def test_apply_after_a_kill_at_any_write_ends_in_the_same_state(
    bench: Bench, clean: tuple[int, dict[str, Any]], step: int
) -> None:
    """Kill after each *step*-th write: an odd number, because most objects take two writes."""
    writes, state = clean
    assert writes > 60
    kills = range(1, writes + 1, step)
    with ThreadPoolExecutor(PARALLEL_RUNS) as pool:
        ends = list(pool.map(lambda k: state_after_kill(bench, k, WORKERS, step), kills))
    assert ends == [state] * len(kills)


@pytest.mark.parametrize("kill_after", [20, 40, 60])
def test_apply_after_a_kill_with_concurrent_writes_ends_in_the_same_state(
    bench: Bench, clean: tuple[int, dict[str, Any]], kill_after: int
) -> None:
    assert state_after_kill(bench, kill_after, 8) == clean[1]


def test_killed_apply_leaves_only_managed_objects(bench: Bench) -> None:
    bench.create_namespace("k1000")
    assert bench.apply_in_child(Job("k1000", 50)) == signal.SIGKILL
    with bench.session("k1000") as session:
        for kind, path in {"policy": "sys/policies/acl", "approle": "auth/approle/role"}.items():
            noted = session.list(f"secret/metadata/_strongroom/dev/{kind}")
            made = {*session.list(path)} - {"default", "root"}
            assert made <= {*noted}


def test_value_is_written_once_and_cas_rejects_another(
    bench: Bench, clean: tuple[int, dict[str, Any]]
) -> None:
    versions = {key: value for key, value in clean[1].items() if key.startswith("versions of")}
    # The adopted secret has up to three: the value, the value with the template, the template.
    adopted = versions.pop(f"versions of gaara-store/dev/{ADOPTED}")
    assert adopted <= 3
    assert set(versions.values()) == {1}
    with bench.session("k0") as session, pytest.raises(RequestRefused):
        session.post(
            "secret/data/gaara-store/dev/jwt-secret",
            {"data": {"value": Secret("x").reveal()}, "options": {"cas": 0}},
        )
