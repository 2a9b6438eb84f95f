"""All that is declared, and what the other parts ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from vault.declare.checks.environment import refused_address
from vault.declare.faults import InvalidValue, listed, nearest
from vault.declare.schema.adopted import ROTATE_EVERY, Adopted
from vault.declare.schema.field_types import Endpoint, split_address
from vault.declare.schema.model import (
    Deployment,
    EnvironmentDeclaration,
    ServiceDeclaration,
    Source,
    mistyped,
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Every service and environment, checked together; :func:`vault.declare.load.load` makes it.

    Attributes:
        pems: content of the PEM files beside the environments, by name. All are public.

    """

    services: Mapping[str, ServiceDeclaration]
    environments: Mapping[Environment, EnvironmentDeclaration]
    pems: Mapping[str, str] = field(default_factory=dict)

    def service(self, name: str) -> ServiceDeclaration:
        """The service *name*.

        Raises:
            ConfigurationError: it isn't declared; the message gives the nearest that is.

        """
        if name not in self.services:
            raise _undeclared("service", name, self.services)
        return self.services[name]

    def environment(self, name: str) -> EnvironmentDeclaration:
        """The environment *name* (``dev``, ``staging`` or ``prod``).

        Raises:
            ConfigurationError: it isn't declared; the message gives the nearest that is.

        """
        for environment, declared in self.environments.items():
            if environment == name:
                return declared
        raise _undeclared("environment", name, self.environments)

    def scopes(self, environment: str) -> tuple[Scope, ...]:
        """The services that run in *environment*, in the order of its file."""
        declared = self.environment(environment)
        return tuple(Scope(name, declared.environment) for name in declared.services)

    def deployment(self, scope: Scope) -> Deployment:
        """What the environment's file says of the service.

        Raises:
            ConfigurationError: the service doesn't run in that environment.

        """
        services = self.environment(scope.environment).services
        if scope.service not in services:
            raise _undeclared(f"service in {scope.environment}", scope.service, services)
        return services[scope.service]

    def secrets(self, scope: Scope) -> dict[str, Source]:
        """The secrets that the service has in that environment."""
        declared = self.service(scope.service).secrets.items()
        here = {name: spec for name, spec in declared if scope.environment in spec.environments}
        return {**here, **self.adopted(scope)}

    def adopted(self, scope: Scope) -> dict[str, Adopted]:
        """Those of them whose password the server rotates itself."""
        declared = self.service(scope.service).secrets
        deployment = self.environment(scope.environment).services.get(scope.service)
        return {
            name: Adopted(spec.username, declared[name].rotate_every or ROTATE_EVERY)
            for name, spec in (deployment.adopted.items() if deployment else ())
        }

    def settings(self, scope: Scope) -> dict[str, str | int | bool]:
        """The service's settings in that environment: defaults, overridden by its file."""
        declared = self.service(scope.service).settings.items()
        defaults = {name: spec.default for name, spec in declared if spec.default is not None}
        return {**defaults, **self.deployment(scope).settings}

    def with_vault(self, environment: str, address: str) -> Declaration:
        """A copy in which the environment's Vault answers at *address*.

        Raises:
            ConfigurationError: no address for that environment: prod takes https only.

        """
        parts = split_address(address)
        wrong = refused_address(environment, address)
        if parts is None or parts.scheme not in {"http", "https"}:
            wrong = InvalidValue("is not an address", "https://host:port")
        if wrong:
            raise ConfigurationError(
                f"the Vault address for {environment} {wrong.what} (expected {wrong.expected})"
            )
        declared = self.environment(environment)
        server = declared.vault.model_copy(update={"address": address.rstrip("/")})
        return self._with(declared.model_copy(update={"vault": server}))

    def with_deployment(
        self,
        scope: Scope,
        *,
        database: Endpoint | None = None,
        settings: Mapping[str, str | int | bool] | None = None,
    ) -> Declaration:
        """A copy with another *database* endpoint and other *settings* for one service.

        Settings that aren't given keep their values.

        Raises:
            ConfigurationError: a setting isn't declared, or its value is of the wrong type.

        """
        deployment = self.deployment(scope)
        changed = dict(settings or {})
        self._check_settings(scope, changed)
        update = {
            "settings": {**deployment.settings, **changed},
            "database": database or deployment.database,
        }
        declared = self.environment(scope.environment)
        services = {**declared.services, scope.service: deployment.model_copy(update=update)}
        return self._with(declared.model_copy(update={"services": services}))

    def _check_settings(self, scope: Scope, settings: Mapping[str, str | int | bool]) -> None:
        declared = self.service(scope.service).settings
        for name, value in settings.items():
            if name not in declared:
                raise _undeclared(f"setting of {scope.service}", name, declared)
            wrong = mistyped(declared[name].type, value)
            if wrong:
                raise ConfigurationError(
                    f"setting {name} of {scope} {wrong.what} (expected {wrong.expected})"
                )

    def _with(self, changed: EnvironmentDeclaration) -> Declaration:
        environments = {**self.environments, changed.environment: changed}
        return replace(self, environments=environments)


def _undeclared(what: str, name: str, known: Iterable[str]) -> ConfigurationError:
    names = list(known)
    near = nearest(name, names)
    hint = f"; did you mean {near!r}?" if near else ""
    return ConfigurationError(f"no {what} {name!r} is declared (expected {listed(names)}{hint})")
