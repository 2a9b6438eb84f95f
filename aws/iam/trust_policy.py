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


def service_trust(account: Account, scope: Scope, roles: AwsRoles) -> dict[str, Any]:
    """Return the trust policy of the role of a service."""
    statements = [_trust_service(account, _SERVICES[kind]) for kind in roles.trust]
    if roles.oidc is not None:
        statements.append(_trust_tokens(account, scope, roles.oidc))
    return {"Version": VERSION, "Statement": statements}


def service_role_trust(account: Account, service: str) -> dict[str, Any]:
    """Return the trust policy of a role that a service of AWS has, such as ``lambda``."""
    return {"Version": VERSION, "Statement": [_trust_service(account, service)]}


def _trust_service(account: Account, service: str) -> dict[str, Any]:
    """Return the statement that lets a service of AWS assume the role.

    ECS says for which account it does.
    """
    tests = {"Condition": {"StringEquals": {SOURCE_ACCOUNT: account.id}}}
    return {
        "Effect": "Allow",
        "Principal": {"Service": account.service(service)},
        "Action": ASSUME,
        **(tests if service == _SERVICES["task"] else {}),
    }


def _trust_tokens(account: Account, scope: Scope, oidc: Oidc) -> dict[str, Any]:
    """Return the statement that lets tokens of one subject, for one audience, assume the role."""
    subject = oidc.subject.replace(SERVICE_PLACEHOLDER, scope.service)
    return {
        "Effect": "Allow",
        "Principal": {"Federated": account.iam(f"oidc-provider/{oidc.provider}")},
        "Action": WEB_IDENTITY,
        "Condition": {
            "StringEquals": {
                f"{oidc.provider}:aud": oidc.audience,
                f"{oidc.provider}:sub": subject,
            }
        },
    }
