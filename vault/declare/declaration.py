"""Checked declaration, and the queries that other packages make on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import LONG_FORMS, Environment, Scope
from vault.declare.checks.environment import find_address_error
from vault.declare.errors import InvalidValue, join_names, suggest
from vault.declare.policy_template import PolicyTemplate
from vault.declare.schema.adopted_secret import ROTATE_EVERY, Adopted
from vault.declare.schema.aws import AWS_KEY, AwsAccount, AwsRoles
from vault.declare.schema.database import SharedDatabase
from vault.declare.schema.field_types import Endpoint, split_address
from vault.declare.schema.model import (
    Deployment,
    EnvironmentDeclaration,
    ServiceDeclaration,
)
from vault.declare.schema.redis import RedisServer
from vault.declare.schema.secret_sources import Source, resolve_source
from vault.declare.schema.setting import find_type_error

#: Name of the key that encrypts a service's access records.
AUDIT_KEY: Final = "audit"


@dataclass(frozen=True, slots=True)
class Declaration:
    """All services and environments, checked together by :func:`vault.declare.load.load`.

    A query for what is not declared raises ConfigurationError. *pems* are public, by file name;
    *template_root* has a folder for each service, and paths of services are relative to *project*.
    *managers* are users that create leased ones, where a local deployment has its own.
    """

    services: Mapping[str, ServiceDeclaration]
    environments: Mapping[Environment, EnvironmentDeclaration]
    pems: Mapping[str, str] = field(default_factory=dict)
    template_root: Path = Path("templates")
    project: Path = Path()
    policy_templates: Mapping[str, PolicyTemplate] = field(default_factory=dict)
    managers: Mapping[Scope, str] = field(default_factory=dict)

    def service(self, name: str) -> ServiceDeclaration:
        """Return the service *name*."""
        if name not in self.services:
            raise _undeclared("service", name, self.services, "services/")
        return self.services[name]

    def environment(self, name: str) -> EnvironmentDeclaration:
        """Return the environment *name*, which is that of a file in ``environments``."""
        for environment, declared in self.environments.items():
            if environment == name:
                return declared
        raise _undeclared("environment", name, self.environments, "environments/")

    def account(self, environment: str) -> AwsAccount:
        """Return the account of an environment on AWS."""
        declared = self.environment(environment)
        if declared.aws is None:
            raise ConfigurationError(
                f"{environment} is not on AWS; declare 'aws' with account and region in its file"
            )
        return declared.aws

    def secrets_key(self, scope: Scope) -> str:
        """Return the KMS key of a service's secrets on AWS, or AWS's own."""
        aws = self.environment(scope.environment).aws
        return self.deployment(scope).kms_key or (aws and aws.kms_key) or AWS_KEY

    def role_owners(self, scope: Scope) -> AwsRoles | None:
        """Return what has the role of a service on AWS, None if it has no such role."""
        aws = self.environment(scope.environment).aws
        return self.deployment(scope).roles or (aws.roles if aws else None)

    def iam_roles(self, scope: Scope) -> tuple[str, ...]:
        """Return the names of the roles of a service's processes on AWS."""
        own = (str(scope),) if self.role_owners(scope) else ()
        return (*own, *self.deployment(scope).iam_roles)

    def resolve_environment(self, text: str) -> Environment:
        """Return the environment that *text* names, such as ``prod`` or ``production``."""
        return self.environment(LONG_FORMS.get(text, text)).environment

    def scopes(self, environment: str) -> tuple[Scope, ...]:
        """Return a scope for each service that runs in *environment*, in the order of its file."""
        declared = self.environment(environment)
        return tuple(Scope(name, declared.environment) for name in declared.services)

    def deployment(self, scope: Scope) -> Deployment:
        """Return the service's entry in the environment file."""
        services = self.environment(scope.environment).services
        if scope.service not in services:
            raise _undeclared(f"service in {scope.environment}", scope.service, services)
        return services[scope.service]

    def database_owner(self, scope: Scope) -> Scope:
        """Return the scope that owns the database of *scope*: another one, if that shares it."""
        database = self.service(scope.service).database
        return (
            Scope(database.of, scope.environment) if isinstance(database, SharedDatabase) else scope
        )

    def roles(self, scope: Scope) -> tuple[str, ...]:
        """Return the roles, and so policies, of a service's processes: its own and its colours'."""
        return (str(scope), *map(scope.colour, self.deployment(scope).colours))

    def approles(self, scope: Scope) -> tuple[str, ...]:
        """Return the AppRoles of a service, its starter's last; none for other login methods."""
        if self.deployment(scope).login.approle is None:
            return ()
        return (*self.roles(scope), scope.starter)

    def audit_key(self, service: str) -> str | None:
        """Return the name of the key that encrypts access records; None unless it only encrypts."""
        key = self.service(service).keys.get(AUDIT_KEY)
        return AUDIT_KEY if key is not None and set(key.allow) == {"encrypt"} else None

    def secrets(self, scope: Scope) -> dict[str, Source]:
        """Return the secrets that the service has in that environment, by name."""
        declared = self.service(scope.service).secrets.items()
        here = {
            name: resolve_source(spec, scope.environment)
            for name, spec in declared
            if spec.exists_in(scope.environment)
        }
        return {**here, **self.adopted(scope)}

    def own_secrets(self, scope: Scope) -> dict[str, Source]:
        """Return those of the secrets that this deployment writes, by name."""
        of_others = self.deployment(scope).secret_arns
        return {n: source for n, source in self.secrets(scope).items() if n not in of_others}

    def secret_id(self, scope: Scope, name: str) -> str:
        """Return the name of a secret on the server, or the ARN of one that others write."""
        return self.deployment(scope).secret_arns.get(name) or scope.secret(name)

    def adopted(self, scope: Scope) -> dict[str, Adopted]:
        """Return the adopted secrets, whose password Vault rotates, by name."""
        declared = self.service(scope.service).secrets
        deployment = self.environment(scope.environment).services.get(scope.service)
        return {
            name: Adopted(spec.username, declared[name].rotate_every or ROTATE_EVERY)
            for name, spec in (deployment.adopted.items() if deployment else ())
        }

    def paired(self, scope: Scope) -> dict[str, tuple[str, str]]:
        """Return the two database users of each paired secret, by its name."""
        deployment = self.environment(scope.environment).services.get(scope.service)
        paired = deployment.paired if deployment else {}
        return {name: (spec.usernames[0], spec.usernames[1]) for name, spec in paired.items()}

    def settings(self, scope: Scope) -> dict[str, str | int | bool]:
        """Return the service's settings in that environment, whose file overrides the defaults."""
        declared = self.service(scope.service).settings.items()
        defaults = {name: spec.default for name, spec in declared if spec.default is not None}
        return {**defaults, **self.deployment(scope).settings}

    def with_vault(self, environment: str, address: str) -> Declaration:
        """Return a copy in which the environment's Vault has another *address*."""
        parts = split_address(address)
        error = find_address_error(environment, address)
        if parts is None or parts.scheme not in {"http", "https"}:
            error = InvalidValue("is not an address", "https://host:port")
        if error:
            raise ConfigurationError(
                f"the Vault address for {environment} {error.what} (expected {error.expected})"
            )
        declared = self.environment(environment)
        update = {"address": address.rstrip("/"), "extra_addresses": ()}
        server = declared.vault.model_copy(update=update)
        return self._with(declared.model_copy(update={"vault": server}))

    def with_deployment(
        self,
        scope: Scope,
        *,
        database: Endpoint | None = None,
        redis: RedisServer | None = None,
        settings: Mapping[str, str | int | bool] | None = None,
    ) -> Declaration:
        """Return a copy with other addresses of servers and other *settings* for one service.

        None and a missing setting keep what is declared.
        """
        deployment = self.deployment(scope)
        changed = dict(settings or {})
        self._check_settings(scope, changed)
        update = {
            "settings": {**deployment.settings, **changed},
            "database": database or deployment.database,
            "redis": redis or deployment.redis,
        }
        declared = self.environment(scope.environment)
        services = {**declared.services, scope.service: deployment.model_copy(update=update)}
        return self._with(declared.model_copy(update={"services": services}))

    def with_config(self, services: Iterable[str], change: Mapping[str, str]) -> Declaration:
        """Return a copy in which the configs of *services* have the fields in *change*."""
        changed = dict(self.services)
        for name in services:
            declared = changed[name]
            config = declared.config and declared.config.model_copy(update=change)
            changed[name] = declared.model_copy(update={"config": config})
        return replace(self, services=changed)

    def _check_settings(self, scope: Scope, settings: Mapping[str, str | int | bool]) -> None:
        declared = self.service(scope.service).settings
        for name, value in settings.items():
            if name not in declared:
                raise _undeclared(f"setting of {scope.service}", name, declared)
            error = find_type_error(declared[name].type, value)
            if error:
                raise ConfigurationError(
                    f"setting {name} of {scope} {error.what} (expected {error.expected})"
                )

    def _with(self, changed: EnvironmentDeclaration) -> Declaration:
        environments = {**self.environments, changed.environment: changed}
        return replace(self, environments=environments)


def _undeclared(what: str, name: str, known: Iterable[str], folder: str = "") -> ConfigurationError:
    names = list(known)
    near = suggest(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    place = f"; declare a new one in {folder}{name}.yaml" if folder and not near else ""
    return ConfigurationError(
        f"no {what} {name!r} is declared (expected {join_names(names)}{hint}){place}"
    )
