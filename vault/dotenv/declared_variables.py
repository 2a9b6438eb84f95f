"""Environment variables of the secrets and settings that a service declares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from app_integration import names
from app_integration.names import Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.secret_sources import SecretSource


@dataclass(frozen=True, slots=True)
class DeclaredVariables:
    """Declared secrets and settings of a service, by environment variable.

    *secrets* are those of any environment. *values* has those of this one, by the setting's name.
    """

    scope: Scope
    secrets: Mapping[str, tuple[str, SecretSource]]
    settings: Mapping[str, str]
    values: Mapping[str, str | int | bool]
    adopted: Collection[str] = ()

    def secret_name(self, variable: str) -> str | None:
        """Return the secret of *variable* in this environment, or None if there is none."""
        name, source = self.secrets.get(variable, (None, None))
        return name if source and source.exists_in(self.scope.environment) else None

    def under(self, names_in_file: Mapping[str, str]) -> DeclaredVariables:
        """Return the same secrets and settings, by the names that a file has for the variables."""
        return replace(
            self,
            secrets={names_in_file.get(name, name): each for name, each in self.secrets.items()},
            settings={names_in_file.get(name, name): each for name, each in self.settings.items()},
        )

    @property
    def secret_names(self) -> list[str]:
        """Return the names of all secrets that the service has in this environment."""
        return [name for variable in self.secrets if (name := self.secret_name(variable))]


def declared_variables(declaration: Declaration, scope: Scope) -> DeclaredVariables:
    """Return the declared secrets and settings of the service by environment variable."""
    service = declaration.service(scope.service)
    return DeclaredVariables(
        scope=scope,
        secrets={names.variable_name(name): (name, spec) for name, spec in service.secrets.items()},
        settings={names.variable_name(name): name for name in service.settings},
        values=declaration.settings(scope),
        adopted=tuple(declaration.adopted(scope)),
    )
