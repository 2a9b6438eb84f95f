"""What a policy grants beyond another one: nothing, something, or something that is not decided."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws.iam.evaluation import ApiCall, is_granted
from aws.iam.widening import policy_widening

ROOT: Final = "arn:aws:iam::123456789012:root"
ROLE: Final = "arn:aws:iam::123456789012:role/shop-task"
UNDECIDED: Final = " (not decided)"


def statement(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s:Get", "Resource": "arn:a", **parts}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": [*statements]}


def widening(before: Any, after: Any) -> list[str]:
    return policy_widening(json.dumps(document(*before)), json.dumps(document(*after)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([statement()], [statement()]),
        ([statement()], []),
        ([statement(Sid="a")], [statement(Sid="b")]),
        ([statement(Action="s:*")], [statement(Action=["S:get", "s:Put"])]),
        ([statement(Action=["s:Get", "s:Put"])], [statement(), statement(Action="s:Put")]),
        ([statement(Resource="*")], [statement(Resource="arn:?-*")]),
        ([statement(Resource="arn:?")], [statement(Resource="arn:?")]),
        ([statement()], [statement(Condition={"StringEquals": {"k": "x"}})]),
        (
            [statement(Condition={"StringEquals": {"k": ["x", "y"]}})],
            [statement(Condition={"StringEquals": {"k": "y"}, "Bool": {"m": "true"}})],
        ),
        (
            [statement(Condition={"StringNotEquals": {"k": ["x", "y"]}})],
            [statement(Condition={"StringNotEquals": {"k": ["x", "y"]}})],
        ),
        ([statement(NotAction="s:Put")], [statement(NotAction="s:Put", Sid="b")]),
        ([statement()], [statement(), statement(Effect="Deny")]),
        (
            [statement(Effect="Deny")],
            [statement(Effect="Deny", Action="s:*")],
        ),
        (
            [statement(Principal={"AWS": [ROOT, ROLE]})],
            [statement(Principal={"AWS": ROLE})],
        ),
        ([statement(Principal="*")], [statement(Principal={"AWS": ROLE})]),
    ],
)
def test_policy_that_grants_no_more_is_no_widening(before: Any, after: Any) -> None:
    assert widening(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ([], [statement()], "s:get on arn:a"),
        ([statement()], [statement(Action="s:*")], "s:* on arn:a"),
        ([statement()], [statement(Resource=["arn:a", "arn:?"])], "s:get on arn:?"),
        (
            [statement(Condition={"StringEquals": {"k": "x"}})],
            [statement(Condition={"StringEquals": {"k": ["x", "y"]}})],
            "s:get on arn:a if StringEquals k y",
        ),
        ([statement(Condition={"StringEquals": {"k": "x"}})], [statement()], "s:get on arn:a"),
        (
            [statement(Principal={"AWS": ROLE})],
            [statement(Action="s:*", Principal={"AWS": ROOT})],
            f"s:* on arn:a for {ROOT}",
        ),
        (
            [statement(Principal={"AWS": ROLE})],
            [statement(Principal={"Service": "logs"})],
            "s:get on arn:a for logs",
        ),
    ],
)
def test_what_a_policy_grants_more_is_named(before: Any, after: Any, line: str) -> None:
    assert widening(before, after) == [line]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ([statement(Effect="Deny")], [], "no longer denied: s:get on arn:a"),
        (
            [statement(Effect="Deny", Action="s:*")],
            [statement(Effect="Deny", Action="s:Put")],
            "no longer denied: s:* on arn:a",
        ),
        ([statement(NotAction="s:Put")], [statement(Action="s:Get")], "s:get on arn:a"),
        (
            [statement()],
            [statement(NotResource="arn:b")],
            'a statement that is not compared: {"Action": "s:Get", "Effect": "Allow", "NotRes',
        ),
        (
            [statement(Condition={"StringNotEquals": {"k": ["x", "y"]}})],
            [statement(Condition={"StringNotEquals": {"k": ["x"]}})],
            's:get on arn:a if StringNotEquals k ["x"]',
        ),
        # A role may have by IAM what the account has, which a key policy does not show.
        (
            [statement(Principal={"AWS": ROOT})],
            [statement(Principal={"AWS": ROLE})],
            f"s:get on arn:a for {ROLE}",
        ),
        ([statement(Resource="arn:*")], [statement(Resource="arn:${aws:username}x?")], ""),
        ([statement(Resource="${*}")], [statement(Resource="${aws:username}")], "s:get on ${aws"),
        (
            [statement(Resource="arn:aws:kms:*:key/a", Principal={"AWS": ROOT})],
            [statement(Resource="arn:aws:kms:eu:1:key/a", Principal={"AWS": ROOT})],
            "s:get on arn:aws:kms:eu:1:key/a for",
        ),
        ([statement(Resource="arn:????")], [statement(Resource="arn:${a}")], "s:get on arn:${a}"),
    ],
)
def test_what_is_not_decided_is_named_as_such(before: Any, after: Any, line: str) -> None:
    found = widening(before, after)
    if not line:
        assert found == []
        return
    (only,) = found
    assert only.startswith(line)
    assert only.endswith(UNDECIDED)


def test_policies_of_two_versions_with_a_variable_are_not_decided() -> None:
    before = document(statement(Resource="${a}"), version="2008-10-17")
    after = document(statement(Resource="${a}"))
    (line,) = policy_widening(json.dumps(before), json.dumps(after))
    assert line.endswith(UNDECIDED)


def test_grant_of_an_object_that_does_not_exist_yet_is_no_widening() -> None:
    before, after = document(), document(statement(Resource=["arn:a", "arn:b"]))
    lines = policy_widening(json.dumps(before), json.dumps(after), {"arn:b"})
    assert lines == ["s:get on arn:a"]


PATTERNS: Final = st.text("ab*?", min_size=1, max_size=4)
STATEMENTS: Final = st.builds(
    lambda effect, action, resource, values: statement(
        Effect=effect,
        Action=f"s:{action}",
        Resource=resource,
        **({"Condition": {"StringEquals": {"k": values}}} if values else {}),
    ),
    st.sampled_from(["Allow", "Allow", "Deny"]),
    PATTERNS,
    PATTERNS,
    st.lists(st.sampled_from("xy"), max_size=2, unique=True),
)
DOCUMENTS: Final = st.lists(STATEMENTS, max_size=3)
CALLS: Final = st.builds(
    lambda action, resource, value: ApiCall(f"s:{action}", resource, {"k": value} if value else {}),
    st.text("ab", min_size=1, max_size=4),
    st.text("ab", min_size=1, max_size=4),
    st.sampled_from(["x", "y", ""]),
)


@given(DOCUMENTS, DOCUMENTS, st.lists(CALLS, min_size=20, max_size=20))
def test_call_that_only_the_new_policy_grants_is_never_unnoticed(
    before: Any, after: Any, calls: list[ApiCall]
) -> None:
    if widening(before, after) == []:
        granted = [call for call in calls if is_granted(document(*after), call)]
        assert [call for call in granted if not is_granted(document(*before), call)] == []


@given(DOCUMENTS)
def test_policy_grants_no_more_than_itself(policy: Any) -> None:
    assert widening(policy, policy) == []
