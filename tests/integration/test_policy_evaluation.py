"""Decisions about policies, compared with the real server's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.models.policy_differences import PAIRS, compare_with
from tests.support.models.policy_facts import FACTS
from tests.support.servers.policy_server import PolicyServer, policy_server

pytestmark = pytest.mark.requires("embedded")

_DECISIONS: Final = 5_000


@pytest.fixture(scope="module")
def server() -> Iterator[PolicyServer]:
    with policy_server() as server:
        yield server


def test_decisions_about_drawn_policies_are_those_of_the_server(server: PolicyServer) -> None:
    compare_with(server, _DECISIONS // PAIRS, derandomize=True)


def test_each_surprising_fact_is_one_of_the_server(server: PolicyServer) -> None:
    wrong = [
        fact
        for fact in FACTS
        if server.allows(server.login({"app": fact.policy}), fact.path, fact.request)
        is not fact.is_allowed
    ]
    assert wrong == []
