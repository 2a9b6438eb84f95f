"""Widenings of policies that were planted: each is found, and the server confirms its request."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from policies.acl.acl import Acl
from policies.acl.inclusion import Witness, find_widenings, includes
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from policies.acl.request import Request
from tests.support.models.drawn_policies import DrawnRule, text_of
from tests.support.servers.policy_server import PolicyServer, policy_server

pytestmark = pytest.mark.requires("embedded")

PLANTED: Final = 500
SEED: Final = 20261204
_CAPABILITIES: Final = ("create", "read", "update", "patch", "delete", "list", "scan")


def make_rules(chance: random.Random) -> list[DrawnRule]:
    """Return rules of a policy: literal, with wildcards, closer than others, denied, limited."""
    granted = tuple(sorted(chance.sample(_CAPABILITIES, chance.randint(1, 4))))
    limits: dict[str, Any] = {"allowed_parameters": {"mode": ["fast", "slow*"], "size": []}}
    if chance.random() < 0.5:
        limits = {"denied_parameters": {"mode": ["raw"]}, "required_parameters": ["size"]}
    return [
        DrawnRule("k1/app/db", granted),
        DrawnRule("k1/app/+/key", ("read",)),
        DrawnRule(f"k1/{chance.choice(('logs', 'log/s'))}/*", ("list", "read")),
        DrawnRule("k1/logs/secret", ("deny",)),
        DrawnRule("k1/log/s/secret", ("deny",)),
        DrawnRule("k1/jobs/run", ("create", "update"), limits),
    ]


def widen(rules: list[DrawnRule], chance: random.Random) -> list[DrawnRule]:
    """Return *rules* with one that allows more."""
    first, *_, logs, _, _, jobs = rules
    denied = next(
        each
        for each in rules
        if each.capabilities == ("deny",) and each.path.startswith(logs.path[:-1])
    )
    missing = [each for each in _CAPABILITIES if each not in first.capabilities]
    changed = chance.choice(
        [
            (first, replace(first, path=chance.choice(("k1/app/+", "k1/+/db", "k1/app/d*")))),
            (first, replace(first, capabilities=(*first.capabilities, chance.choice(missing)))),
            (denied, None),
            (jobs, replace(jobs, limits=_widen_limits(jobs.limits, chance))),
        ]
    )
    return [each for each in (changed[1] if each is changed[0] else each for each in rules) if each]


def _widen_limits(limits: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    if "allowed_parameters" in limits:
        allowed = limits["allowed_parameters"]
        more = chance.choice(
            [{"mode": [*allowed["mode"], "raw"]}, {"mode": ["fas*", "slow*"]}, {"other": []}]
        )
        return {"allowed_parameters": {**allowed, **more}}
    return {key: limits[key] for key in chance.sample(sorted(limits), 1)}


def rewrite(rules: list[DrawnRule], chance: random.Random) -> list[DrawnRule]:
    """Return other rules that allow the same."""
    changed = list(rules)
    chance.shuffle(changed)
    first, second = rules[0], rules[1]
    changed += chance.choice(
        [
            [DrawnRule(first.path, (each,)) for each in first.capabilities],
            [DrawnRule("/k1/app/db", first.capabilities)],
            [DrawnRule("k1/app/x/key", second.capabilities)],
            [DrawnRule("k1/jobs/run", ("update",), rules[-1].limits)],
            [DrawnRule("k1/logs/secret", ("read",)), DrawnRule("k1/log/s/secret", ("list",))],
        ]
    )
    return changed


def acl(rules: list[DrawnRule]) -> Acl:
    return PolicySet([read_policy("app", text_of(rules))]).acl(["app"])


@pytest.fixture(scope="module")
def server() -> Iterator[PolicyServer]:
    with policy_server() as server:
        yield server


def test_each_planted_widening_is_found_and_the_server_confirms_it(server: PolicyServer) -> None:
    chance = random.Random(SEED)  # noqa: S311 (policies, not keys)
    for _ in range(PLANTED):
        before = make_rules(chance)
        after = widen(before, chance)
        found = includes(acl(before), acl(after))
        assert isinstance(found, Witness), (text_of(before), text_of(after), found)
        request = Request(found.operation, found.parameters, found.wrap_ttl, found.approvals)
        for rules, is_allowed in ((before, False), (after, True)):
            token = server.login({"app": text_of(rules)})
            assert server.allows(token, found.path, request) is is_allowed, (rules, str(found))


def test_harmless_rewriting_raises_no_alarm() -> None:
    chance = random.Random(SEED)  # noqa: S311 (policies, not keys)
    for _ in range(PLANTED):
        before = make_rules(chance)
        after = rewrite(before, chance)
        assert list(find_widenings(acl(before), acl(after))) == [], text_of(after)
