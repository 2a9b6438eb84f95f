"""A Django process that queries, forks two children and rotates, for each kind of connections.

It prints the database users of parent and children as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any

from tests.support.databases import django_project

django_project.set_up()

from django.db import DatabaseError, connections, transaction  # noqa: E402 (Django must be set up first)

import app_integration  # noqa: E402 (as above)
from app_integration import default_client  # noqa: E402 (as above)
from tests.support.databases.leased_django import (  # noqa: E402 (as above)
    ALIAS,
    KINDS,
    get_users,
    leased_database,
)

CHILDREN = 2
SECONDS = 20  # after which a child is stopped


def state() -> dict[str, Any]:
    """Return the user of the session, and the server's process of the connection."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT session_user, pg_backend_pid()")
        user, backend = cursor.fetchone()
    return {"user": user, "backend": backend}


def start_child(work: Callable[[IO[str], IO[str]], None]) -> tuple[int, IO[str], IO[str]]:
    """Fork a child that runs *work* with a pipe from and to its parent, which are returned."""
    to_child, to_parent = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        try:
            work(os.fdopen(to_child[0]), os.fdopen(to_parent[1], "w"))
        except BaseException:  # noqa: BLE001 (a child of a test must not go on as the parent)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(to_child[0])
    os.close(to_parent[1])
    return pid, os.fdopen(to_parent[0]), os.fdopen(to_child[1], "w")


def child(orders: IO[str], answers: IO[str]) -> None:
    """Query before and after each rotation: that of the parent, and one of its own."""
    print(json.dumps(state()), file=answers, flush=True)
    orders.readline()
    print(json.dumps(state()), file=answers, flush=True)
    get_users().rotate()
    print(json.dumps(state()), file=answers, flush=True)
    app_integration.close()


def child_of_a_transaction(_orders: IO[str], answers: IO[str]) -> None:
    """Query in the parent's block, which cannot go on here, and after it."""
    try:
        state()
    except DatabaseError as error:
        print(type(error).__name__, file=answers, flush=True)
    connections[ALIAS].in_atomic_block = False  # as at the end of the block
    print(state()["user"], file=answers, flush=True)
    app_integration.close()


def main(kind: str) -> dict[str, Any]:
    with leased_database(**KINDS[kind]):
        before = state()
        children = [start_child(child) for _ in range(CHILDREN)]
        seen = [[json.loads(answers.readline())] for _, answers, _ in children]
        unchanged = state()
        get_users().rotate()
        rotated = state()
        for (pid, answers, orders), states in zip(children, seen, strict=True):
            print(file=orders, flush=True)
            states += [json.loads(answers.readline()) for _ in range(2)]
            os.waitpid(pid, 0)
        with transaction.atomic(using=ALIAS):
            held = state()
            pid, answers, _ = start_child(child_of_a_transaction)
            in_transaction = answers.read().split()
            os.waitpid(pid, 0)
            after = state()
        users = get_users()
        leased = {"lease": users.current().username, "held": held, "after": after}
    default_client.close()
    return {
        "parent": {"before": before, "unchanged": unchanged, "rotated": rotated, **leased},
        "children": seen,
        "in_transaction": in_transaction,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({kind: main(kind) for kind in KINDS}))
