"""The SDK client of a declared service, for commands that act with the service's own credential."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from app_integration._internal.environment_variable import environment_variables
from app_integration._internal.server_urls import first_address
from app_integration.client import Client
from app_integration.errors import AccessDenied, ConfigurationError, Unreachable
from app_integration.names import BACKEND_VARIABLE, Scope
from app_integration.settings import MEMORY, Settings, from_environment
from app_integration.transport.payloads import parse_policies
from aws.environment import read_account
from console.target.target import Target
from local.services.service_files import read_variables
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import BREAK_GLASS, JOBS

#: Variables that a local deployment does not set, and a move of keys to AWS needs.
_AWS_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION", "STRONGROOM_KMS_KEYS")
#: Variables that a shell may have for the local deployment, too.
_LIMITS: Final = "STRONGROOM_LIMIT_"
#: Variables that name the login of an application.
_LOGIN_VARIABLES: Final = ("STRONGROOM_AUTH", "STRONGROOM_ROLE_ID_FILE")


@contextmanager
def open_service_client(target: Target, service: str) -> Iterator[Client]:
    """Open a client of *service*, which logs in as the service does.

    On the local deployment it has the deployment's variables, and those of AWS. Elsewhere this
    shell's name its credential, and all else too if there is no repository, such as on the host of
    a job.
    """
    local: Mapping[str, str] = {}
    if target.is_local:
        local = target.local_deployment().service(service).variables()
    with closing(Client(_settings(target, service, local, _AWS_VARIABLES, {}))) as client:
        yield client


def _settings(
    target: Target,
    service: str,
    local: Mapping[str, str],
    kept: Iterable[str],
    login: Mapping[str, str],
) -> Settings:
    """Return the settings of a service.

    With *local* variables, only those *kept* of this shell count. Elsewhere all do, and replace
    those of *login*.
    """
    scope = target.scope(service)
    if not local:
        found = target.checkout.find_declaration()
        return _remote_settings(target if found else None, scope, {**login, **os.environ})
    shell = {name: os.environ[name] for name in kept if name in os.environ}
    return _local_settings(scope, {**shell, **local})


def _local_settings(scope: Scope, variables: Mapping[str, str]) -> Settings:
    """Return the settings in the variables of a local deployment, and in none of this shell."""
    settings = from_environment(variables)
    if settings.scope != scope:
        raise ConfigurationError(
            f"the variables that strongroom up wrote for {scope} are those of {settings.scope}; "
            "write them again with strongroom up"
        )
    return settings


def _remote_settings(target: Target | None, scope: Scope, variables: Mapping[str, str]) -> Settings:
    """Return the settings of a service on the server that is declared, or that *variables* name."""
    own = {"STRONGROOM_SERVICE": scope.service, **environment_variables(scope.environment.value)}
    if target is None:
        return from_environment({**variables, **own})
    target.declaration.deployment(scope)
    declared = target.declared
    own |= {} if first_address(variables) else declared.vault.variables
    if (
        target.is_on_aws
        and not first_address({**variables, **own})
        and variables.get(BACKEND_VARIABLE) != "aws"
    ):
        raise ConfigurationError(
            f"{scope.environment} is on AWS, and this shell has no variables of {scope} there; set "
            f"{BACKEND_VARIABLE}=aws, AWS_REGION and STRONGROOM_KMS_KEYS as for the application"
        )
    return replace(from_environment({**variables, **own}), mounts=declared.mounts)


@contextmanager
def open_reader(target: Target, scope: Scope, *, from_server: bool = False) -> Iterator[Client]:
    """Open a client that reads the declared secrets of a service, as the service or as a person.

    On the local deployment it has the variables that ``up`` wrote, and of this shell only limits;
    this process then has those of AWS, because boto3 reads them there. Elsewhere the variables of
    an application name the credential, else it is the token of a person's ``login``. With
    *from_server*, no fallback of a developer's machine has the value.
    """
    local = read_local_variables(target, scope.service)
    if not local and not target.is_on_aws and target.is_local:
        raise ConfigurationError(
            f"{target.layout.service_env(scope.service)} does not exist; start the "
            "deployment with strongroom up, or name its folder with --root. Tests and CI jobs need "
            f"none with {BACKEND_VARIABLE}={MEMORY}"
        )
    _hand_to_boto3({name: local[name] for name in local if name.startswith("AWS_")})
    limits = [name for name in os.environ if name.startswith(_LIMITS)]
    settings = replace(
        _settings(target, scope.service, local, limits, _find_login(target)),
        declaration=target.checkout.repository.declaration,
        secret_arns=target.declaration.deployment(scope).secret_arns,
    )
    if from_server:
        settings = replace(settings, sources=(settings.backend,))
    with closing(Client(settings)) as client:
        try:
            _check_reader(client, target.declared)
        except Unreachable as error:
            if not target.is_local:
                raise
            raise Unreachable(
                f"the deployment in {target.root} does not answer; start it with strongroom up "
                f"({error})"
            ) from None
        yield client


def read_local_variables(target: Target, service: str) -> dict[str, str]:
    """Return what ``up`` wrote for a service on this machine; empty elsewhere, and before it."""
    file = target.layout.service_env(service)
    return read_variables(file) if target.is_local and file.exists() else {}


def _hand_to_boto3(variables: Mapping[str, str]) -> None:
    """Let *variables* be all that boto3 finds: others lead to another login or server."""
    if variables:
        for name in [each for each in os.environ if each.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update(variables)


def _find_login(target: Target) -> dict[str, str]:
    """Return the variables of a login that this shell names in another way than an application."""
    if target.is_on_aws:
        region = target.declaration.account(target.environment).region
        return {} if first_address(os.environ) else {BACKEND_VARIABLE: "aws", "AWS_REGION": region}
    token = Path.home() / ".vault-token"
    if any(name in os.environ for name in _LOGIN_VARIABLES) or not token.exists():
        return {}
    return {"STRONGROOM_AUTH": "token", "STRONGROOM_TOKEN_FILE": str(token)}


def _check_reader(client: Client, declared: EnvironmentDeclaration) -> None:
    """Check that the credential is none of an operator's, and that an account is the declared one.

    On AWS nothing tells whose identity it is.
    """
    if "aws" in client.settings.source_order:
        read_account(client.aws, declared)
    if "vault" not in client.settings.source_order:
        return
    try:
        token = client.session.get("auth/token/lookup-self")["data"]
    except AccessDenied:  # an operator's policies grant it
        return
    operators = {"root", *map(declared.server_name, (*JOBS, BREAK_GLASS))}
    if found := sorted(operators.intersection(parse_policies(token))):
        raise ConfigurationError(
            f"the credential has the policy {found[0]}, and this command does not use it: name "
            f"that of {client.settings.scope}, or a person's token that may read its secrets"
        )
