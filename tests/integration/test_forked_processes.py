"""Forked children, which neither revoke anything of their parent nor are blocked by its locks.

Each scenario runs in a process of its own, because the threads of a test run would disturb a fork.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, text

import app_integration
from app_integration import (
    database_engine,
    decrypt_field,
    default_client,
    encrypt_field,
    get_secret,
    hvac_client,
)
from app_integration.observability import redaction
from app_integration.secret_store.cache_entry import current
from tests.support.processes.python_child import run_python
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

LOGIN = "auth/approle/login"
ROLE = "gaara-store-dev"
THREADS, CHILDREN = 8, 5
#: A child that waits for a lock is stopped before it would go on, at the SDK's deadline. Both are
#: far above what its requests take on a busy machine.
CHILD_SECONDS, DEADLINE = 40, 50


def in_child(work: Callable[[], Any]) -> Any:
    """Return the result of *work* in a forked child, or None if it failed or was stopped."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            os.write(writer, json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001 (a child of a test must not go on as the parent)
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return json.loads(result) if result else None


def accessor() -> str:
    """Return the accessor of this process's token."""
    answer = default_client.get_default_client().session.get("auth/token/lookup-self")
    return str(answer["data"]["accessor"])


def user(connection: Connection) -> str:
    return str(connection.execute(text("SELECT session_user")).scalar())


def child_uses_and_closes_everything() -> Any:
    """Fork a child that uses and closes the SDK.

    The parent has a connection in use, an idle one in its pool, and a data key.
    """
    engine = database_engine()
    sealed = encrypt_field("ada", context={"id": 7})
    with engine.connect() as used:
        with engine.connect() as pooled:
            before = {"token": accessor(), "users": [user(used), user(pooled)]}

        def child() -> Any:
            pooled_here = engine.pool.status()
            with engine.connect() as connection:
                state = {"token": accessor(), "users": [user(connection)], "pool": pooled_here}
            assert decrypt_field(sealed, context={"id": 7}) == "ada"
            assert get_secret("redis-url", force_refresh=True)
            app_integration.close()
            return state

        result = in_child(child)
        with engine.connect() as pooled:
            after = {"token": accessor(), "users": [user(used), user(pooled)]}
    return {"before": before, "child": result, "after": after}


def child_of_a_busy_parent() -> Any:
    """Fork while other threads of the parent hold every lock and fetch the same secret."""
    warm_up()
    engine = database_engine()
    fetching, holding, done = (threading.Event() for _ in range(3))

    def fetch() -> None:
        fetching.set()
        done.wait()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks():
                stack.enter_context(lock)
            holding.set()
            done.wait()

    def child() -> Any:
        assert get_secret("redis-url")
        warm_up()
        with engine.connect() as connection:
            return user(connection)

    flights: Any = default_client.get_default_client().secrets.fetcher._flights
    threads = [
        threading.Thread(target=flights.do, args=((current("redis-url"), False), fetch)),
        threading.Thread(target=hold),
    ]
    for thread, began in zip(threads, (fetching, holding), strict=True):
        thread.start()
        assert began.wait(CHILD_SECONDS)
    result = in_child(child)
    done.set()
    for thread in threads:
        thread.join()
    return result


def warm_up() -> None:
    """Build and use every part of the SDK."""
    assert accessor()
    assert get_secret("jwt-secret", force_refresh=True)
    assert decrypt_field(encrypt_field("ada")) == "ada"


def locks() -> list[Any]:
    """Return every lock of the SDK that a thread may hold."""
    client = default_client.get_default_client()
    keyring = client.cipher("pii").keyring
    session, store, fetcher = client.session, client.secrets, client.secrets.fetcher
    return [
        *(client._lock, default_client._lock, redaction.live._lock, keyring._read._lock),
        *(
            session._connection._lock,
            session._tokens._lock,
            session._tokens._logins._lock,
            store.access_recorder._audit._lock,
        ),
        *(fetcher._lock, fetcher._flights._lock, fetcher.cache._lock, fetcher.watchers._lock),
        fetcher.refresher.worker._lock,
        *(
            keyring._flights._lock,
            keyring.self_contained_keys._flights._lock,
            keyring.keyring_keys._flights._lock,
        ),
    ]


def child_with_a_client_of_hvac() -> Any:
    """Fork a child that calls hvac through its parent's client, and closes the SDK."""
    client = hvac_client()

    def own_accessor() -> str:
        return str(client.lookup_token()["data"]["accessor"])

    def child() -> Any:
        state = {"accessor": own_accessor(), "renews": _renews()}
        client.logout(revoke_token=True)
        app_integration.close()
        return state

    before = own_accessor()
    result = in_child(child)
    return {"before": before, "child": result, "after": own_accessor(), "renews": _renews()}


def _renews() -> bool:
    """Return whether a thread of this process renews the token."""
    return "vault-renewal" in {thread.name for thread in threading.enumerate()}


def threads_of_one_child() -> Any:
    """Fork children one after another, and return the tokens that the threads of each used."""
    parent = accessor()

    def child() -> Any:
        sys.setswitchinterval(1e-6)
        tokens: list[str] = []
        gate = threading.Barrier(THREADS)

        def ask() -> None:
            gate.wait()
            tokens.append(accessor())

        threads = [threading.Thread(target=ask) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        app_integration.close()
        return tokens

    return {"children": [in_child(child) for _ in range(CHILDREN)], "parent": [parent, accessor()]}


def children_of_multiprocessing(method: str) -> Any:
    """Use the SDK in a worker of a pool and in a process that *method* starts; return accessors."""
    context: Any = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pooled = pool.submit(accessor).result()
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_send_accessor, args=(writer,))
    process.start()
    started = reader.recv()
    process.join()
    return {"children": [pooled, started], "code": process.exitcode, "parent": accessor()}


def _send_accessor(writer: Any) -> None:
    writer.send(accessor())


def run(scenario: Callable[..., Any], deployment: Deployment, *arguments: str) -> Any:
    """Return the result of *scenario* in a process with the store's environment."""
    module = "tests.integration.test_forked_processes"
    call = f"here.{scenario.__name__}(*{arguments!r})"
    code = f"import json, {module} as here; print(json.dumps({call}))"
    limit = {"STRONGROOM_LIMIT_DEADLINE": str(DEADLINE)}
    return run_python(deployment, "-c", code, variables=limit)


def leases(deployment: Deployment) -> set[str]:
    path = f"sys/leases/lookup/database/creds/{deployment.local.service('gaara-store').scope}"
    return set(deployment.operator.list(path))


def test_child_that_closes_revokes_nothing_of_its_parent(deployment: Deployment) -> None:
    before = leases(deployment)
    result = run(child_uses_and_closes_everything, deployment)
    assert result["after"] == result["before"]
    assert result["child"]["token"] != result["before"]["token"]
    assert not set(result["child"]["users"]) & set(result["before"]["users"])
    assert "Connections in pool: 0 " in result["child"]["pool"]
    assert leases(deployment) <= before


def test_client_of_hvac_in_a_child_has_a_token_of_its_own(deployment: Deployment) -> None:
    result = run(child_with_a_client_of_hvac, deployment)
    assert result["child"]["accessor"] != result["before"] == result["after"]
    assert result["renews"] is True
    assert result["child"]["renews"] is True


def test_lock_held_at_the_fork_does_not_block_the_child(deployment: Deployment) -> None:
    assert run(child_of_a_busy_parent, deployment).startswith("v-approle-")


def test_threads_of_a_child_share_one_login(deployment: Deployment) -> None:
    logins = len(deployment.audit_lines(LOGIN, ROLE))
    result = run(threads_of_one_child, deployment)
    tokens = [set(child) for child in result["children"]]
    assert [len(child) for child in tokens] == [1] * CHILDREN
    assert result["parent"][0] == result["parent"][1]
    assert len(set.union(*tokens, result["parent"])) == CHILDREN + 1
    assert len(deployment.audit_lines(LOGIN, ROLE)) == logins + CHILDREN + 1


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_child_of_multiprocessing_revokes_its_token(deployment: Deployment, method: str) -> None:
    result = run(children_of_multiprocessing, deployment, method)
    assert result["code"] == 0
    valid = set(deployment.operator.list("auth/token/accessors"))
    assert len({*result["children"], result["parent"]}) == 3
    assert not {*result["children"], result["parent"]} & valid
