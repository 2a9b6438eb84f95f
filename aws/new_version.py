"""New version of a declared secret, written by an operator."""

from __future__ import annotations

from app_integration.aws.connection import AwsConnection
from app_integration.errors import ConfigurationError, SecretDeleted
from app_integration.secret import Secret
from aws.account import Account
from aws.planning import check_account
from aws.reader import AwsReader
from aws.resources.secret import TAGS, describe
from aws.resources.secret_version import current_version, write_version
from vault.reconcile.planning.owners import describe_owned
from vault.reconcile.resources.ownership import OwnedByOther, Owner, other_deployment


def write_new_version(
    connection: AwsConnection, account: Account, owner: Owner, path: str, value: Secret
) -> None:
    """Write *value* as the current version of a secret."""
    check_account(connection, account)
    found = describe(AwsReader(connection), path)
    if found is None:
        raise ConfigurationError(f"{path} does not exist; apply the declaration first")
    marks = TAGS.decode(owner.marks, found.get("Tags", ()))
    if (other := other_deployment(marks, owner.deployment)) is not None:
        owned = f"secret {path} belongs to the deployment {other!r}"
        raise OwnedByOther(describe_owned(owner.deployment, [owned]))
    if "DeletedDate" in found:
        raise SecretDeleted(f"{path} is being deleted; restore it with strongroom apply --widen")
    write_version(connection, path, value, current_version(found))
