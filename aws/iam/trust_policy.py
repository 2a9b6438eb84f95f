"""Trust policy of a role: what may assume it, and nothing else."""

from __future__ import annotations

from typing import Any, Final

from app_integration.names import Scope
from aws.account import Account
from aws.iam.service_policy import VERSION
from vault.declare.schema.aws import SERVICE_PLACEHOLDER, AwsRoles, Oidc

ASSUME: Final = "sts:AssumeRole"
WEB_IDENTITY: Final = "sts:AssumeRoleWithWebIdentity"
#: The condition key with the account that a service of AWS acts for.
SOURCE_ACCOUNT: Final = "aws:SourceAccount"
#: Declared kind → the service of AWS that starts the processes.
_SERVICES: Final = {"task": "ecs-tasks", "ec2": "ec2", "lambda": "lambda"}
#: Kinds whose service says which account it acts for.
_WITH_ACCOUNT: Final = {"task"}


def service_trust(account: Account, scope: Scope, roles: AwsRoles) -> dict[str, Any]:
    """Return the trust policy of the role of a service."""
    statements = [
        _trust_service(account, _SERVICES[kind], of_account=kind in _WITH_ACCOUNT)
        for kind in roles.trust
    ]
    if roles.oidc is not None:
        statements.append(_trust_tokens(account, scope, roles.oidc))
    return {"Version": VERSION, "Statement": statements}


def service_role_trust(account: Account, service: str) -> dict[str, Any]:
    """Return the trust policy of a role that a service of AWS has, such as ``lambda``."""
    statement = _trust_service(account, service, of_account=False)
    return {"Version": VERSION, "Statement": [statement]}


def _trust_service(account: Account, service: str, *, of_account: bool) -> dict[str, Any]:
    """Return the statement that lets a service of AWS assume the role.

    With *of_account*, only on behalf of this account.
    """
    tests = {"Condition": {"StringEquals": {SOURCE_ACCOUNT: account.id}}} if of_account else {}
    return {
        "Effect": "Allow",
        "Principal": {"Service": account.service(service)},
        "Action": ASSUME,
        **tests,
    }


def _trust_tokens(account: Account, scope: Scope, oidc: Oidc) -> dict[str, Any]:
    """Return the statement that lets tokens of one subject, for one audience, assume the role."""
    subject = oidc.subject.replace(SERVICE_PLACEHOLDER, scope.service)
    return {
        "Effect": "Allow",
        "Principal": {"Federated": account.oidc_provider(oidc.provider)},
        "Action": WEB_IDENTITY,
        "Condition": {
            "StringEquals": {
                f"{oidc.provider}:aud": oidc.audience,
                f"{oidc.provider}:sub": subject,
            }
        },
    }
