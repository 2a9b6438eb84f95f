"""Evaluation of IAM policies: what is allowed, what is denied, and what is not evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from aws.iam.evaluation import ApiCall, find_needed, is_granted


def statement(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s:Get", "Resource": "arn:a", **parts}


def decide(call: ApiCall, *statements: dict[str, Any]) -> bool:
    return is_granted({"Version": "2012-10-17", "Statement": [*statements]}, call)


@pytest.mark.parametrize(
    ("parts", "granted"),
    [
        ({}, True),
        ({"Action": "S:GET"}, True),
        ({"Action": "s:*"}, True),
        ({"Action": "s:G?t"}, True),
        ({"Action": "s:Ge"}, False),
        ({"Action": ["s:Put", "s:Get"]}, True),
        ({"Resource": "*"}, True),
        ({"Resource": "arn:?"}, True),
        ({"Resource": "ARN:a"}, False),
        ({"Resource": "arn:."}, False),
        ({"Resource": "arn:a?"}, False),
        ({"Condition": {"StringEquals": {"k": ["x", "y"]}}}, True),
        ({"Condition": {"StringEquals": {"K": "x"}}}, True),
        ({"Condition": {"StringEquals": {"k": "X"}}}, False),
        ({"Condition": {"StringEquals": {"k": "x", "absent": "x"}}}, False),
        ({"Condition": {"StringEquals": {"k": "*"}}}, False),
    ],
)
def test_statement_applies_to_a_call_that_matches_each_part(
    parts: dict[str, Any], *, granted: bool
) -> None:
    assert decide(ApiCall("s:Get", "arn:a", {"k": "x"}), statement(**parts)) is granted


def test_call_that_no_statement_allows_is_denied() -> None:
    assert not decide(ApiCall("s:Get", "arn:a"))


@pytest.mark.parametrize("first", ["Allow", "Deny"])
def test_deny_wins_in_each_order(first: str) -> None:
    second = "Deny" if first == "Allow" else "Allow"
    statements = [statement(Effect=first), statement(Effect=second)]
    assert not decide(ApiCall("s:Get", "arn:a"), *statements)


def test_deny_whose_condition_fails_does_not_count() -> None:
    deny = statement(Effect="Deny", Condition={"StringEquals": {"k": "x"}})
    assert decide(ApiCall("s:Get", "arn:a", {"k": "y"}), statement(), deny)


def test_part_of_a_context_that_a_call_needs_is_found() -> None:
    call = ApiCall("s:Get", "arn:a", {"k": "x", "unused": "x", "other": "x"})
    both = {"StringEquals": {"k": ["x", "y"], "other": "x"}}
    document = {"Statement": [statement(Condition=both)]}
    assert find_needed(document, call) == {"k": "x", "other": "x"}
    document["Statement"].append(statement(Condition={"StringEquals": {"k": "x"}}))
    assert find_needed(document, call) == {"k": "x"}
    document["Statement"].append(statement())
    assert find_needed(document, call) == {}


def test_value_that_only_a_denial_names_is_not_needed() -> None:
    call = ApiCall("s:Get", "arn:a", {"k": "x"})
    deny = statement(Effect="Deny", Condition={"StringEquals": {"k": "y"}})
    assert find_needed({"Statement": [statement(), deny]}, call) == {}


def test_call_that_is_denied_needs_nothing() -> None:
    call = ApiCall("s:Put", "arn:a", {"k": "x"})
    assert find_needed({"Statement": [statement()]}, call) == {}


def test_one_statement_need_not_be_in_a_list() -> None:
    assert is_granted({"Statement": statement()}, ApiCall("s:Get", "arn:a"))


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"NotAction": "s:Put"}, "NotAction"),
        ({"NotResource": "arn:b"}, "NotResource"),
        ({"Principal": "*"}, "Principal"),
        ({"Effect": "allow"}, "another effect"),
        ({"Condition": {"StringLike": {"k": "x"}}}, "StringLike"),
        ({"Resource": "arn:${aws:username}"}, "the variable in"),
        ({"Condition": {"StringEquals": {"k": "${aws:username}"}}}, "the variable in"),
    ],
)
def test_statement_with_an_unknown_part_is_refused(parts: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        decide(ApiCall("s:Get", "arn:a"), statement(**parts))


@pytest.mark.parametrize("key", ["Action", "Resource"])
def test_statement_without_an_action_or_resource_is_refused(key: str) -> None:
    parts = {name: value for name, value in statement().items() if name != key}
    with pytest.raises(ConfigurationError, match=key):
        decide(ApiCall("s:Get", "arn:a"), parts)
