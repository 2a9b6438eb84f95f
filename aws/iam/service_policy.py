"""The IAM policy of a service in one environment: what its SDK calls, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.sources.aws import CURRENT, NEXT, PREVIOUS
from aws.account import Account
from vault.declare.declaration import Declaration
from vault.declare.schema.aws import AWS_KEY

#: The tag with a KMS key's declared name. A policy grants keys by it and not by their ARNs, because
#: rotation replaces a key by a new one, and what the old one encrypted must stay readable.
KEY_TAG: Final = "strongroom:key"
KEY_NAME: Final = f"aws:ResourceTag/{KEY_TAG}"
#: Operation of a declared key → its actions, and the name of their statement.
KEY_ACTIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "encrypt": ("WrapDataKeys", ("kms:Encrypt",)),
    "decrypt": ("UnwrapDataKeys", ("kms:Decrypt",)),
    "rewrap": ("RewrapDataKeys", ("kms:ReEncryptFrom", "kms:ReEncryptTo")),
}
#: The condition key with the label of the version that is read.
STAGE: Final = "secretsmanager:VersionStage"
#: Begin of the condition keys with the encryption context of a request to KMS.
CONTEXT: Final = "kms:EncryptionContext:"
#: The condition key with the service that sends a request for its caller.
VIA: Final = "kms:ViaService"
VERSION: Final = "2012-10-17"
#: Characters of a managed policy, white space not counted.
MAX_LENGTH: Final = 6144


def service_policy(declaration: Declaration, scope: Scope, account: Account) -> dict[str, Any]:
    """Return the policy document of a service, which has no statement if it needs nothing."""
    replicas = declaration.account(scope.environment).replicas
    accounts = [account, *(Account(account.id, region) for region in replicas)]
    own = sorted(declaration.own_secrets(scope))
    secrets = [each.secret(scope.secret(name)) for each in accounts for name in own]
    secrets += sorted(declaration.deployment(scope).secret_arns.values())
    keys = {declaration.secrets_key(scope), *replicas.values()} if own else set()
    document = {
        "Version": VERSION,
        "Statement": [
            *_secrets(secrets),
            *use_secret_keys(keys, accounts, ["kms:Decrypt"]),
            *_keys(declaration, scope, account),
        ],
    }
    check_length(document, str(scope), "declare fewer secrets for the service, or split it")
    return document


def policy_length(document: dict[str, Any]) -> int:
    """Return the number of characters of a policy document as IAM counts them."""
    return len(json.dumps(document, separators=(",", ":")))


def check_length(document: dict[str, Any], name: str, hint: str) -> None:
    """Raise an error if a policy document is longer than IAM allows."""
    length = policy_length(document)
    if length > MAX_LENGTH:
        raise ConfigurationError(
            f"the IAM policy of {name} has {length} characters, and IAM allows {MAX_LENGTH}; {hint}"
        )


def _secrets(secrets: Sequence[str]) -> Iterator[dict[str, Any]]:
    if not secrets:
        return
    yield {
        "Sid": "ReadSecrets",
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue"],
        "Resource": [*secrets],
        # Without it, a version that a rotation has not tested yet could be read as well.
        "Condition": {"StringEquals": {STAGE: [CURRENT, PREVIOUS, NEXT]}},
    }
    yield {
        "Sid": "RecogniseDeletedSecrets",
        "Effect": "Allow",
        "Action": ["secretsmanager:DescribeSecret"],
        "Resource": [*secrets],
    }


def use_secret_keys(
    keys: Iterable[str], accounts: Sequence[Account], actions: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the statement about the KMS keys of secrets, if they have any but that of AWS."""
    if own := sorted({*keys} - {AWS_KEY}):
        yield {
            "Sid": "UseKeysOfSecrets",
            "Effect": "Allow",
            "Action": [*actions],
            "Resource": own,
            "Condition": {"StringEquals": {VIA: [each.secrets_manager for each in accounts]}},
        }


def _keys(declaration: Declaration, scope: Scope, account: Account) -> Iterator[dict[str, Any]]:
    keys = declaration.service(scope.service).keys
    for operation, (sid, actions) in KEY_ACTIONS.items():
        names = [scope.key(key) for key, spec in sorted(keys.items()) if operation in spec.allow]
        if names:
            yield {
                "Sid": sid,
                "Effect": "Allow",
                "Action": [*actions],
                "Resource": [account.any_key],
                "Condition": {"StringEquals": {KEY_NAME: names, **encryption_context(scope)}},
            }


def encryption_context(scope: Scope) -> dict[str, str]:
    """Return, as condition keys, what the encryption context of each request of the SDK has."""
    context = {"service": scope.service, "environment": scope.environment.value}
    return {f"{CONTEXT}{name}": value for name, value in context.items()}
