"""Questions about an IAM policy: which calls on a secret or key which statement grants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app_integration.names import Scope
from app_integration.sources.aws import CURRENT, PREVIOUS
from aws.account import Account
from aws.iam.evaluation import ApiCall, find_needed, find_statements, is_granted
from aws.iam.service_policy import CONTEXT, KEY_ACTIONS, KEY_NAME, STAGE, encryption_context
from aws.rotation.versions import PENDING

#: A secret's suffix and a key's id, which AWS chooses. No policy names them.
SUFFIX: Final = "AbCdEf"
KEY_ID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision of a policy on a call, its statements, and the encryption context it needs."""

    call: ApiCall
    granted: bool
    statements: tuple[str, ...]
    only_with: dict[str, str]


def decide(document: Mapping[str, Any], calls: Iterable[ApiCall]) -> list[Decision]:
    """Return the decision of a policy on each of *calls*."""
    return [
        Decision(
            call,
            is_granted(document, call),
            tuple(each.get("Sid", "") for each in find_statements(document, call)),
            {
                key.removeprefix(CONTEXT): value
                for key, value in find_needed(document, call).items()
                if key.startswith(CONTEXT)
            },
        )
        for call in calls
    ]


def read_call(account: Account, path: str, stage: str) -> ApiCall:
    """Return the call that reads the version of a secret with the label *stage*."""
    return ApiCall("secretsmanager:GetSecretValue", account.secret(path, SUFFIX), {STAGE: stage})


def secret_calls(account: Account, path: str) -> list[ApiCall]:
    """Return the calls about a secret that a reviewer asks for, that which reads it first."""
    arn = account.secret(path, SUFFIX)
    reads = [read_call(account, path, stage) for stage in (CURRENT, PREVIOUS, PENDING)]
    others = ("DescribeSecret", "PutSecretValue", "DeleteSecret")
    return [*reads, *(ApiCall(f"secretsmanager:{action}", arn) for action in others)]


def key_calls(account: Account, scope: Scope, name: str) -> list[ApiCall]:
    """Return the calls about a KMS key that a reviewer asks for, those of the SDK first."""
    used = [action for _, actions in KEY_ACTIONS.values() for action in actions]
    others = ("kms:GenerateDataKey", "kms:DisableKey", "kms:ScheduleKeyDeletion")
    return [key_call(account, scope, name, action) for action in (*used, *others)]


def key_call(account: Account, scope: Scope, name: str, action: str) -> ApiCall:
    """Return a call of the service *scope* on the KMS key *name*, such as ``shop-prod-pii``."""
    arn = account.any_key.replace("*", KEY_ID)
    return ApiCall(action, arn, {KEY_NAME: name, **encryption_context(scope)})
