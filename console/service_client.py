"""The SDK client of a declared service, for commands that act with the service's own credential."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from app_integration import names
from app_integration._internal.environment_variable import environment_variables
from app_integration._internal.server_urls import first_address
from app_integration.client import Client
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.settings import Settings, from_environment
from console import operate
from console.dev_on_aws import BACKEND

#: Variables that a local deployment does not set, and a move of keys to AWS needs.
_AWS_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION", "STRONGROOM_KMS_KEYS")


@contextmanager
def open_service_client(service: str, env: str, root: Path) -> Iterator[Client]:
    """Open a client of *service*, which logs in as the service does.

    On the local deployment it has the deployment's variables, and those of AWS. Elsewhere the
    variables of an application name its credential, and ``VAULT_ADDR`` overrides the declared
    address. Without a repository, such as on the host of a job, they name all else too.

    Args:
        service: Name of a declared service.
        env: Name of one of its environments.
        root: Folder of the local deployment.

    Raises:
        ConfigurationError: If a variable is missing or wrong.
        DeclarationError: If a file of the declaration has a fault.

    """
    with closing(Client(_settings(Scope(service, names.parse_environment(env)), root))) as client:
        yield client


def _settings(scope: Scope, root: Path) -> Settings:
    if operate.is_local(scope.environment, root):
        local = operate.local_deployment(root).service(scope.service).variables()
        aws = {name: os.environ[name] for name in _AWS_VARIABLES if name in os.environ}
        return from_environment({**aws, **local})
    own = {"STRONGROOM_SERVICE": scope.service, **environment_variables(scope.environment.value)}
    declaration = operate.find_declaration()
    if declaration is None:
        return from_environment({**os.environ, **own})
    declaration.deployment(scope)
    declared = declaration.environment(scope.environment)
    own |= {} if first_address(os.environ) else declared.vault.variables
    if (
        declared.aws is not None
        and not first_address({**os.environ, **own})
        and os.environ.get(BACKEND) != "aws"
    ):
        raise ConfigurationError(
            f"{scope.environment} is on AWS, and this shell has no variables of {scope} there; set "
            f"{BACKEND}=aws, AWS_REGION and STRONGROOM_KMS_KEYS as for the application"
        )
    return replace(from_environment({**os.environ, **own}), mounts=declared.mounts)
