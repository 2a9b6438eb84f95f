"""Differences between decisions about policies, and what the real server does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from policies.acl.request import Request
from tests.support.models import drawn_policies
from tests.support.models.drawn_policies import DrawnRule, text_of
from tests.support.servers.policy_server import PolicyServer

#: Paths and requests that are compared for policies that are drawn once.
_PATHS: Final = 40
_REQUESTS: Final = 10
PAIRS: Final = _PATHS + _REQUESTS


def compare_with(server: PolicyServer, draws: int, *, derandomize: bool) -> None:
    """Compare *draws* times :data:`PAIRS` decisions; raise AssertionError for one that differs."""
    configured = settings(
        max_examples=draws,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )

    @configured
    @given(
        drawn_policies.policies, st.lists(drawn_policies.paths, min_size=_PATHS, max_size=_PATHS)
    )
    def compare_capabilities(policies: list[list[DrawnRule]], paths: list[str]) -> None:
        _compare_capabilities(server, policies, paths)

    @configured
    @given(
        drawn_policies.limited_policies,
        st.lists(drawn_policies.requests, min_size=_REQUESTS, max_size=_REQUESTS),
    )
    def compare_requests(
        policies: list[list[DrawnRule]], requests: list[tuple[str, Request]]
    ) -> None:
        _compare_requests(server, policies, requests)

    compare_capabilities()
    compare_requests()


def _compare_capabilities(
    server: PolicyServer, policies: list[list[DrawnRule]], paths: Sequence[str]
) -> None:
    texts = _texts(policies)
    acl = PolicySet(read_policy(name, text) for name, text in texts.items()).acl(texts)
    found = server.capabilities(server.login(texts), paths)
    assert {path: acl.capabilities(path) for path in paths} == found


def _compare_requests(
    server: PolicyServer, policies: list[list[DrawnRule]], requests: list[tuple[str, Request]]
) -> None:
    texts = _texts(policies)
    acl = PolicySet(read_policy(name, text) for name, text in texts.items()).acl(texts)
    token = server.login(texts)
    for path, each in requests:
        decision = acl.evaluate(path, each.operation, each.parameters, wrap_ttl=each.wrap_ttl)
        is_allowed = server.allows(token, path, each)
        assert decision.allowed == is_allowed, (path, each, decision.reason)


def _texts(policies: list[list[DrawnRule]]) -> dict[str, str]:
    return {f"p{number}": text_of(rules) for number, rules in enumerate(policies)}
