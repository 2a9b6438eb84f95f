"""Pre-fork servers with Django: a child neither uses nor revokes anything of its parent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.databases.database import Database, eventually
from tests.support.processes.python_child import run_python
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")


def test_children_lease_their_own_users_and_leave_those_of_the_parent(
    deployment: Deployment, database: Database
) -> None:
    before = database.leased_users()
    scenarios: dict[str, Any] = run_python(
        deployment, "-m", "tests.support.processes.forked_django"
    )
    assert {*scenarios} == {"persistent", "pool"}
    for found in scenarios.values():
        parent, children = found["parent"], found["children"]
        assert parent["unchanged"]["user"] == parent["before"]["user"]
        assert parent["rotated"]["user"] == parent["lease"] != parent["before"]["user"]
        assert parent["held"] == parent["after"]  # one connection, which no child closed
        users = {each["user"] for states in children for each in states}
        assert len(users) == 4  # two of each child, as it rotates once
        assert not users & {parent["before"]["user"], parent["lease"]}
        for first, second, third in children:
            assert first["user"] == second["user"] != third["user"]
        error, user = found["in_transaction"]
        assert error == "ProgrammingError"
        assert user not in {*users, parent["before"]["user"], parent["lease"]}
    assert eventually(lambda: database.leased_users() <= before)
