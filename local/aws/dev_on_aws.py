"""Dev on AWS: declared so, or as ``SECRETS_BACKEND=aws`` asks for without another declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from app_integration._internal.aws_variables import read_region
from app_integration._internal.variables import read_choice
from app_integration.errors import ConfigurationError
from app_integration.names import BACKEND_VARIABLE, Environment
from app_integration.settings import BACKENDS
from local.servers.moto_package import ACCOUNT
from vault.declare import durations
from vault.declare.checks.aws import (
    KMS_PERIODS,
    OF_VAULT,
    OF_VAULT_IN_SERVICE,
    is_period_of_kms,
)
from vault.declare.declaration import Declaration
from vault.declare.schema.aws import AwsAccount
from vault.declare.schema.base import Section

#: The region, if none is set. Nothing depends on it.
DEFAULT_REGION: Final = "eu-central-1"


def apply_backend(declaration: Declaration, variables: Mapping[str, str]) -> Declaration:
    """Return *declaration* with dev on AWS, if ``SECRETS_BACKEND`` is ``aws``."""
    backend = read_choice(variables, BACKEND_VARIABLE, BACKENDS)
    return put_on_aws(declaration, variables) if backend == "aws" else declaration


def is_dev_on_aws(declaration: Declaration) -> bool:
    """Return whether dev is declared, and is on AWS."""
    dev = declaration.environments.get(Environment.DEV)
    return dev is not None and dev.aws is not None


def put_on_aws(declaration: Declaration, variables: Mapping[str, str]) -> Declaration:
    """Return *declaration* with dev on AWS, without what is about Vault there.

    A dev that is declared on AWS stays as it is, as does a declaration without dev.
    """
    declared = declaration.environments.get(Environment.DEV)
    if declared is None or declared.aws is not None:
        return declaration
    _check_keys(declaration)
    region = read_region(variables, optional=True) or DEFAULT_REGION
    services = {
        # A pair needs a rotation function, which this machine does not have.
        name: each.model_copy(update=_defaults(each, (*OF_VAULT_IN_SERVICE, "paired")))
        for name, each in declared.services.items()
    }
    account = AwsAccount(account=ACCOUNT, region=region)
    changed = declared.model_copy(
        update={**_defaults(declared, OF_VAULT), "aws": account, "services": services}
    )
    environments = {**declaration.environments, Environment.DEV: changed}
    return replace(declaration, environments=environments)


def _defaults(section: Section, keys: Iterable[str]) -> dict[str, Any]:
    """Return the values of *keys* in a file that has none of them.

    A key that is required on Vault keeps its value, which nothing reads on AWS.
    """
    fields = type(section).model_fields
    return {key: fields[key].default for key in keys if not fields[key].is_required()}


def _check_keys(declaration: Declaration) -> None:
    for scope in declaration.scopes(Environment.DEV):
        for name, key in declaration.service(scope.service).keys.items():
            if key.rotate_every and not is_period_of_kms(
                period := durations.render(key.rotate_every)
            ):
                raise ConfigurationError(
                    f"{scope} cannot run on AWS, because its key {name!r} rotates every {period}"
                    f" (expected {KMS_PERIODS})"
                )
