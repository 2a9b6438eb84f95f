"""Whether one policy allows more than another, compared with all short paths."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.acl.acl import Acl
from policies.acl.inclusion import Undecided, Witness, find_widenings, includes
from policies.acl.policy import read_policy
from policies.acl.policy_set import PolicySet

READ: Final = 'capabilities = ["read"]'


def acl(text: str) -> Acl:
    return PolicySet([read_policy("app", text)]).acl(["app"])


def rule(path: str, body: str = READ) -> str:
    return f'path "{path}" {{\n {body}\n}}\n'


def update(body: str) -> str:
    return rule("k", f'capabilities = ["update"]\n{body}')


#: What widens → the policy before and after, and the request that shows it.
WIDENED: Final = {
    "wildcard for a segment": (rule("kv/app/db"), rule("kv/+/db"), "read kv/a/db"),
    "glob": (rule("kv/app/*"), rule("kv/app*"), "read kv/app"),
    "capability": (
        rule("kv/app"),
        rule("kv/app", 'capabilities = ["read", "patch"]'),
        "patch kv/app",
    ),
    "dropped deny": (
        rule("kv/*") + rule("kv/app", 'capabilities = ["deny"]'),
        rule("kv/*"),
        "read kv/app",
    ),
    "closer rule that was a limit": (
        rule("kv/*", 'capabilities = ["read", "update"]') + rule("kv/a+/x") + rule("kv/app/*"),
        rule("kv/*", 'capabilities = ["read", "update"]') + rule("kv/a+/x"),
        "update kv/app/",
    ),
    "list of a folder": (rule("kv/a", READ), rule("kv/a", 'capabilities = ["list"]'), "list kv/a"),
    "sudo of a protected path": (
        rule("sys/*"),
        rule("sys/*", 'capabilities = ["read", "sudo"]'),
        "read sys/raw",
    ),
    "parameter": (
        update('allowed_parameters = {"a" = ["x"]}'),
        update('allowed_parameters = {"a" = ["x"], "b" = []}'),
        "update k with {'b': 'another value'}",
    ),
    "value": (
        update('allowed_parameters = {"a" = ["x"]}'),
        update('allowed_parameters = {"a" = ["x*"]}'),
        "update k with {'a': 'x*'}",
    ),
    "denied value": (
        update('denied_parameters = {"a" = ["x", "y"]}'),
        update('denied_parameters = {"a" = ["y"]}'),
        "update k with {'a': 'x'}",
    ),
    "required parameter": (update('required_parameters = ["a"]'), update(""), "update k"),
    "wrapping": (
        update('max_wrapping_ttl = "60s"'),
        update('max_wrapping_ttl = "90s"'),
        "update k, wrapped for 61 s",
    ),
    "page": (
        rule("k", 'capabilities = ["list"]\npagination_limit = 3'),
        rule("k", 'capabilities = ["list"]\npagination_limit = 5'),
        "list k with {'limit': '4'}",
    ),
}


@pytest.mark.parametrize("what", [*WIDENED])
def test_widening_is_shown_by_a_request_that_only_the_new_policy_allows(what: str) -> None:
    before, after, request = WIDENED[what]
    found = includes(acl(before), acl(after))
    assert isinstance(found, Witness)
    assert str(found) == request
    assert found.decision.allowed
    assert found.decision.line is not None


@pytest.mark.parametrize("what", [*WIDENED])
def test_policy_includes_itself(what: str) -> None:
    for text in WIDENED[what][:2]:
        assert includes(acl(text), acl(text)) is None


HARMLESS: Final = {
    "two rules for one path": (
        rule("kv/a", 'capabilities = ["read", "list"]'),
        rule("kv/a") + rule("kv/a", 'capabilities = ["list"]'),
    ),
    "closer rule of the same": (rule("kv/*"), rule("kv/*") + rule("kv/a/+/b")),
    "leading slash": (rule("kv/*"), rule("/kv/*")),
    "value of a pattern": (
        update('allowed_parameters = {"a" = ["x*"]}'),
        update('allowed_parameters = {"a" = ["xy*", "xz"]}'),
    ),
    "rule that another denies": (
        rule("kv/a", 'capabilities = ["deny"]'),
        rule("kv/a", 'capabilities = ["deny"]') + rule("kv/a"),
    ),
}


@pytest.mark.parametrize("what", [*HARMLESS])
def test_rewriting_is_no_widening(what: str) -> None:
    before, after = map(acl, HARMLESS[what])
    assert list(find_widenings(before, after)) == []


def test_sudo_on_a_mount_is_not_decided() -> None:
    found = includes(acl(rule("m/*")), acl(rule("m/*", 'capabilities = ["read", "sudo"]')))
    assert isinstance(found, Undecided)


_RULES = st.builds(
    rule,
    st.builds(
        lambda parts, end: "/".join(parts) + end,
        st.lists(st.sampled_from(["a", "b", "+", "ab"]), min_size=1, max_size=3),
        st.sampled_from(["", "*", "/", "/*"]),
    ).filter(lambda path: "+*" not in path),
    st.sampled_from(
        [
            READ,
            'capabilities = ["deny"]',
            'capabilities = ["list"]',
            'capabilities = ["read", "list"]',
        ]
    ),
)
_POLICIES = st.lists(_RULES, min_size=1, max_size=4).map("".join)
_PATHS: Final = [
    "/".join(parts) + end
    for length in (1, 2, 3, 4)
    for parts in product(("a", "b", "ab", "c"), repeat=length)
    for end in ("", "/")
]


@given(_POLICIES, _POLICIES)
def test_same_widenings_as_by_asking_about_all_short_paths(before: str, after: str) -> None:
    old, new = acl(before), acl(after)
    found = list(find_widenings(old, new))
    assert all(isinstance(each, Witness) for each in found)
    for each in found:
        assert new.evaluate(each.path, each.operation).allowed
        assert not old.evaluate(each.path, each.operation).allowed
    widened = {
        operation
        for path in _PATHS
        for operation in ("read", "list")
        if new.evaluate(path, operation).allowed and not old.evaluate(path, operation).allowed
    }
    assert widened <= {each.operation for each in found}  # some need a longer path
