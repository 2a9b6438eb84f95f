"""Building of a plan for AWS: read it, compare it with the declaration, refuse what others own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import ConfigurationError
from aws.account import Account
from aws.reader import AwsReader
from aws.resources import AwsResource
from aws.resources.secret import AwsSecret
from vault.reconcile.planning.owners import describe_owned
from vault.reconcile.planning.plan import Action, Plan, find_widening, make_plan, read_state
from vault.reconcile.resources import Fields
from vault.reconcile.resources.ownership import OwnedByOther, other_deployment


def build_plan(
    connection: AwsConnection,
    resources: Sequence[AwsResource],
    account: Account,
    deployment: str,
    *,
    may_widen: bool = False,
) -> Plan:
    """Return the plan that makes AWS equal to *resources*.

    Its digest covers every response that was read for it.
    """
    check_account(connection, account)
    reader = AwsReader(connection)
    actual = read_state(reader, resources)
    _check_owners(deployment, resources, actual)
    plan = make_plan(resources, actual)
    created = {
        account.secret(each.resource.name)
        for each in plan.changes
        if each.action is Action.CREATE and isinstance(each.resource, AwsSecret)
    }
    widening = find_widening(plan.changes, created)
    return replace(plan, widening=widening, may_widen=may_widen, hashed=reader.digest)


def read_account(connection: AwsConnection) -> str:
    """Return the id of the account that the identity belongs to."""
    request = AwsRequest("sts", "GetCallerIdentity", "", {}, ("Account",))
    return str(connection.call(request)["Account"])


def check_account(connection: AwsConnection, account: Account) -> None:
    """Check that the identity belongs to the declared account."""
    found = read_account(connection)
    if found != account.id:
        raise ConfigurationError(
            f"the AWS identity belongs to the account {found}, and the environment is declared in"
            f" {account.id}; use an identity of that account. Nothing was read or changed"
        )


def _check_owners(
    deployment: str, resources: Sequence[AwsResource], actual: Sequence[Fields | None]
) -> None:
    found = [
        f"{resource.kind} {resource.name} belongs to the deployment {other!r}"
        for resource, fields in zip(resources, actual, strict=True)
        if (other := other_deployment(fields or {}, deployment)) is not None
    ]
    if found:
        raise OwnedByOther(describe_owned(deployment, found))
