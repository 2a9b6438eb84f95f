"""Calls to AWS that mean the same as a capability on a path of Vault.

So one file of policy tests holds for both. A path that only a Vault server has, such as
``sys/mounts``, has no such call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration.mounts import Mounts
from app_integration.names import Scope
from app_integration.sources.aws import CURRENT
from aws.account import Account
from aws.iam.evaluation import ApiCall
from aws.iam.questions import SUFFIX, key_call, read_call

#: Capability on the data of a secret → the action on the secret. ``read`` is apart.
_ON_DATA: Final[Mapping[str, str]] = {
    "create": "PutSecretValue",
    "update": "PutSecretValue",
    "patch": "PutSecretValue",
    "delete": "DeleteSecret",
}
_ON_METADATA: Final[Mapping[str, str]] = {
    "read": "DescribeSecret",
    "update": "UpdateSecret",
    "delete": "DeleteSecret",
}
#: Operation of Transit and capability → the actions on the KMS key.
_ON_KEY: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("encrypt", "update"): ("Encrypt",),
    ("decrypt", "update"): ("Decrypt",),
    ("rewrap", "update"): ("ReEncryptFrom", "ReEncryptTo"),
    ("keys", "read"): ("DescribeKey",),
    ("keys", "create"): ("CreateKey",),
    ("keys", "update"): ("CreateKey",),
    ("keys", "delete"): ("ScheduleKeyDeletion",),
}


def translate(
    scope: Scope,
    path: str,
    capability: str,
    mounts: Mounts,
    account: Account,
    ids: Mapping[str, str],
) -> list[ApiCall]:
    """Return the calls that a capability on *path* stands for, none if AWS has no such thing.

    The service *scope* makes them. *path* has no ``v1/``; *ids* maps a declared secret to its name,
    or that of others to its ARN.
    """
    if found := re.fullmatch(rf"{re.escape(mounts.kv)}/(data|metadata)/(.+)", path):
        return _on_secret(found[1], ids.get(found[2], found[2]), capability, account)
    if found := re.fullmatch(rf"{re.escape(mounts.transit)}/(\w+)/([^/]+)", path):
        actions = _ON_KEY.get((found[1], capability), ())
        return [key_call(account, scope, found[2], f"kms:{action}") for action in actions]
    return []


def _on_secret(kind: str, path: str, capability: str, account: Account) -> list[ApiCall]:
    if kind == "metadata" and capability == "list":
        return [ApiCall("secretsmanager:ListSecrets", "*")]
    if kind == "data" and capability == "read":
        return [read_call(account, path, CURRENT)]
    action = (_ON_DATA if kind == "data" else _ON_METADATA).get(capability)
    return [ApiCall(f"secretsmanager:{action}", account.secret(path, SUFFIX))] if action else []
