"""Decisions on paths, capabilities, and several policies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from policies.acl.acl import Acl
from policies.acl.decision import Reason
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet
from tests.support.models.policy_facts import FACTS, Fact


def acl(*texts: str) -> Acl:
    policies = [read_policy(f"p{number}", text) for number, text in enumerate(texts)]
    return PolicySet(policies).acl(each.name for each in policies)


def rule(path: str, *capabilities: str) -> str:
    words = ", ".join(f'"{each}"' for each in capabilities)
    return f'path "{path}" {{ capabilities = [{words}] }}\n'


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("k1/foo", "k1/foo", True),
        ("/k1/foo", "k1/foo", True),
        ("k1/foo", "/k1/foo", True),
        ("k1/foo", "k1/Foo", False),
        ("k1/foo", "k1/foo/", True),  # as LIST looks it up
        ("k1/+/bar", "k1/foo/bar", True),
        ("k1/+/bar", "k1/foo/x/bar", False),
        ("k1/fo+/bar", "k1/foo/bar", False),
        ("k1/fo+/bar", "k1/fo+/bar", True),
        ("k1/*/bar", "k1/foo/bar", False),
        ("k1/*/bar", "k1/*/bar", True),
        ("app/*", "app", False),
        ("zip-*", "zip-zap/zong", True),
        ("*", "anything", True),
        ("+", "one", True),
        ("+", "one/two", False),
        ("k1/+", "k1/foo", True),
        ("k1/+/*", "k1/foo", False),
        ("k1/+/*", "k1/foo/", True),
        ("k1/+foo/x", "k1/afoo/x", False),
    ],
)
def test_path_of_a_rule_matches(pattern: str, path: str, *, matches: bool) -> None:
    expected = ("read",) if matches else ("deny",)
    assert acl(rule(pattern, "read")).capabilities(path) == expected


@pytest.mark.parametrize(
    ("texts", "path", "expected"),
    [
        ([rule("k1/*", "deny") + rule("k1/foo", "read")], "k1/foo", ["read"]),
        ([rule("k1/*", "deny") + rule("k1/foo/*", "read")], "k1/foo/bar", ["read"]),
        ([rule("k1/*", "deny") + rule("k1/+/bar", "read")], "k1/foo/bar", ["read"]),
        ([rule("k1/foo/*", "deny") + rule("k1/+/bar", "read")], "k1/foo/bar", ["deny"]),
        ([rule("k1/+/bar", "deny") + rule("k1/foo*", "read")], "k1/foo/bar", ["read"]),
        ([rule("a", "read") + rule("a", "update")], "a", ["read", "update"]),
        ([rule("a", "read"), rule("a", "deny")], "a", ["deny"]),
        ([rule("a", "deny"), rule("a", "read")], "a", ["deny"]),
        ([rule("a", "update", "sudo", "read")], "a", ["read", "sudo", "update"]),
        ([rule("a")], "a", ["deny"]),
    ],
)
def test_closest_pattern_decides_and_policies_are_merged(
    texts: list[str], path: str, expected: list[str]
) -> None:
    assert list(acl(*texts).capabilities(path)) == expected


def test_decision_names_the_rule_that_decides_and_those_that_it_shadows() -> None:
    decision = acl(rule("a/*", "deny") + rule("a/b", "read"), rule("+/b", "list")).evaluate(
        "a/b", "read"
    )
    assert decision.allowed
    assert (decision.policy, decision.file, decision.line) == ("p0", "p0", 2)
    assert [(each.policy, each.line) for each in decision.shadowed] == [("p0", 1), ("p1", 1)]


def test_refusal_says_why() -> None:
    one = acl(rule("a", "read") + rule("b", "deny"))
    assert one.evaluate("a", "update").reason is Reason.CAPABILITY
    assert one.evaluate("b", "read").reason is Reason.DENIED
    missing = one.evaluate("c", "read")
    assert (missing.reason, missing.origin) == (Reason.NO_RULE, None)


@pytest.mark.parametrize("fact", FACTS, ids=str)
def test_request_is_allowed_as_it_is_on_the_server(fact: Fact) -> None:
    now = datetime(2026, 12, 5, tzinfo=UTC)
    one = PolicySet([read_policy("app", fact.policy)]).acl(["app"], now=now)
    request = fact.request
    decision = one.evaluate(
        fact.path, request.operation, request.parameters, wrap_ttl=request.wrap_ttl
    )
    assert decision.allowed is fact.is_allowed, decision.reason
