"""Proof that a service's IAM policy grants what its SDK calls, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app_integration.names import Scope
from app_integration.sources.aws import CURRENT, NEXT, PREVIOUS
from aws.account import Account
from aws.iam.evaluation import ApiCall, as_list, check_statements, is_granted
from aws.iam.questions import SUFFIX, key_call, read_call
from aws.iam.service_policy import KEY_ACTIONS
from vault.declare.declaration import Declaration


def needed_calls(declaration: Declaration, scope: Scope, account: Account) -> Iterator[ApiCall]:
    """Yield each call of the SDK that must be granted to a service.

    ``BatchGetSecretValue`` is not among them: it names no stage, so that the condition on stages
    denies each secret in it. The SDK then reads the secrets singly.
    """
    for name in declaration.secrets(scope):
        arn = account.secret(scope.secret(name), SUFFIX)
        for stage in (CURRENT, PREVIOUS, NEXT):
            yield read_call(account, scope.secret(name), stage)
        yield ApiCall("secretsmanager:DescribeSecret", arn)
    for name, spec in declaration.service(scope.service).keys.items():
        for operation in spec.allow:
            _, actions = KEY_ACTIONS[operation]
            yield from (key_call(account, scope, scope.key(name), action) for action in actions)


def find_denied(document: Mapping[str, Any], calls: Sequence[ApiCall]) -> list[ApiCall]:
    """Return those of *calls* that a policy does not grant."""
    return [call for call in calls if not is_granted(document, call)]


def find_unneeded(document: Mapping[str, Any], calls: Sequence[ApiCall]) -> list[str]:
    """Return each part of a policy without which it still grants all of *calls*.

    A part is one action, resource or value of a condition; the text names its statement.
    """
    return [
        f"{sid}: {part}"
        for sid, part, reduced in _reduced(document)
        if not find_denied(reduced, calls)
    ]


def _reduced(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the statement, the part, and *document* without it, for each part."""
    statements = check_statements(document)
    for index, statement in enumerate(statements):
        for part, remaining in _without_each_part(statement):
            others = [*statements[:index], *remaining, *statements[index + 1 :]]
            yield statement.get("Sid", str(index)), part, {**document, "Statement": others}


def _without_each_part(
    statement: Mapping[str, Any],
) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for key in ("Action", "Resource"):
        for part, others in _without_each(as_list(statement[key])):
            # A statement without actions or resources grants nothing, so it is left out.
            yield part, [{**statement, key: others}] if others else []
    condition = statement.get("Condition", {})
    for operator, tests in condition.items():
        for name, values in tests.items():
            for part, others in _without_each(as_list(values)):
                test = {operator: {**tests, name: others}}
                changed = {**statement, "Condition": {**condition, **test}}
                yield f"{name} {part}", [changed] if others else []


def _without_each(values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for index, value in enumerate(values):
        yield value, [*values[:index], *values[index + 1 :]]
