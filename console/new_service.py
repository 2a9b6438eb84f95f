"""New service: the declaration that ``strongroom new service`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, check_secret_name, check_service_name
from vault.declare.edit.new_service import add_service
from vault.declare.edit.service_file import Spec
from vault.declare.repository import Repository

#: The local runtime replaces the port by its own.
_LOCAL_DATABASE = "127.0.0.1:15432"


@dataclass(frozen=True, slots=True)
class NewService:
    """Service to be declared.

    Attributes:
        name: Its name.
        owner: An e-mail address or a team.
        description: What it does.
        generated: Names of secrets that the server generates.
        given: Names of secrets that an operator provides.
        keys: Names of Transit keys that it may encrypt and decrypt with.
        has_database: Whether it owns a PostgreSQL database.
        databases: Host and port of the database server of each environment besides dev.

    """

    name: str
    owner: str
    description: str
    generated: Sequence[str] = ()
    given: Sequence[str] = ()
    keys: Sequence[str] = ()
    has_database: bool = False
    databases: Mapping[Environment, str] = field(default_factory=dict)

    def write(self, repository: Repository) -> tuple[str, ...]:
        """Write the service file, and an entry in the file of each environment that it can run in.

        Args:
            repository: Contains the declaration.

        Returns:
            The environments without an entry, because the address of the database is not known.

        Raises:
            ConfigurationError: If the service is declared. Nothing was written.
            InvalidName: If a name is not valid. Nothing was written.
            DeclarationError: If another value is not valid. Nothing was written.

        """
        for name in (self.name, *self.keys):
            check_service_name(name)
        for name in (*self.generated, *self.given):
            check_secret_name(name)
        environments = sorted(repository.load().environments)
        unknown = sorted(set(self.databases) - set(environments))
        if unknown:
            raise ConfigurationError(
                f"no environment {unknown[0]!r} is declared; write its file first"
            )
        entries = {name: self._entry(name) for name in environments}
        known = {name: entry for name, entry in entries.items() if entry is not None}
        add_service(repository.declaration, self.name, self._text(), known, repository.check)
        return tuple(str(name) for name, entry in entries.items() if entry is None)

    def _entry(self, environment: Environment) -> Spec | None:
        """Return the entry in the environment's file, or None if it cannot have one."""
        if not self.has_database:
            return {}
        default = _LOCAL_DATABASE if environment.is_dev else None
        address = self.databases.get(environment, default)
        return None if address is None else {"database": address}

    def _text(self) -> str:
        """Return the service file. JSON strings are YAML."""
        lines = [
            f"# Needs of {self.name}, the same in every environment. It never contains a value.",
            f"service: {self.name}",
            f"owner: {json.dumps(self.owner)}",
            f"description: {json.dumps(self.description)}",
        ]
        secrets = [f"  {name}: {{source: generated, length: 48}}" for name in self.generated]
        secrets += [f"  {name}: {{source: given}}" for name in self.given]
        if self.has_database:
            secrets.append("  database-url: {source: given}")
        if secrets:
            lines += ["", "secrets:", *secrets]
        if self.keys:
            lines += ["", "keys:"]
            lines += [f"  {name}: {{allow: [encrypt, decrypt]}}" for name in self.keys]
        if self.has_database:
            database = self.name.replace("-", "_")
            lines += ["", "database:", "  engine: postgresql", f"  name: {database}"]
            lines += ["  roles:", "    default: {ttl: 1h, max_ttl: 24h}"]
        return "\n".join([*lines, ""])
