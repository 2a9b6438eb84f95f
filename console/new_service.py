"""New service: the declaration that ``strongroom new service`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, check_secret_name, check_service_name
from console.new_config import TEMPLATE, NewConfig
from vault.declare.edit.new_service import add_service
from vault.declare.edit.service_file import Spec
from vault.declare.repository import Repository
from vault.declare.schema import json_schema
from vault.declare.schema.json_schema import Kind

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
        application: Folder of the application that gets a config, relative to the repository, or
            None for a service without a config.

    """

    name: str
    owner: str
    description: str
    generated: Sequence[str] = ()
    given: Sequence[str] = ()
    keys: Sequence[str] = ()
    has_database: bool = False
    databases: Mapping[Environment, str] = field(default_factory=dict)
    application: str | None = None

    def write(self, repository: Repository) -> tuple[str, ...]:
        """Write the service file, and an entry in the file of each environment that it can run in.

        Args:
            repository: Contains the declaration.

        Returns:
            The environments without an entry, because the address of the database is not known.

        Raises:
            ConfigurationError: If the service is declared, another template of its name exists, or
                an environment in *databases* is not declared. No file was written.
            InvalidName: If a name is not valid. No file was written.
            DeclarationError: If another value is not valid. No file was written.

        """
        for name in (self.name, *self.keys):
            check_service_name(name)
        for name in (*self.generated, *self.given):
            check_secret_name(name)
        declared = repository.load()
        for environment in self.databases:
            declared.environment(environment)
        entries = {name: self._entry(name) for name in sorted(declared.environments)}
        known = {name: entry for name, entry in entries.items() if entry is not None}
        text = self._text()
        if (repository.declaration / "schema" / json_schema.file_name(Kind.SERVICE)).exists():
            text = f"{json_schema.editor_comment(Kind.SERVICE)}\n{text}"
        with self._template(repository):
            add_service(repository.declaration, self.name, text, known, repository.check)
        return tuple(str(name) for name, entry in entries.items() if entry is None)

    @property
    def secrets(self) -> list[str]:
        """Return the names of all its secrets."""
        database = ["database-url"] if self.has_database else []
        return [*self.generated, *(name for name in self.given if name not in database), *database]

    @property
    def config(self) -> NewConfig | None:
        """Return its config, or None if it has none."""
        if self.application is None:
            return None
        return NewConfig(self.name, self.secrets, self.application)

    @contextmanager
    def _template(self, repository: Repository) -> Iterator[None]:
        """Write the template, and remove it again if the block fails.

        It is written first, because the declaration is checked with it.
        """
        config = self.config
        if config is None:
            yield
            return
        path = repository.templates / self.name / TEMPLATE
        # One with the same text was left by a command that was killed.
        if path.exists() and path.read_text(encoding="utf-8") != config.template():
            raise ConfigurationError(f"{path} exists; move it away, or choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config.template(), encoding="utf-8")
        try:
            yield
        except BaseException:
            # The service file, once it is written, needs the template.
            if not (repository.declaration / "services" / f"{self.name}.yaml").exists():
                path.unlink()
            raise

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
        given = [name for name in self.secrets if name not in self.generated]
        secrets += [f"  {name}: {{source: given}}" for name in given]
        if secrets:
            lines += ["", "secrets:", *secrets]
        if self.keys:
            lines += ["", "keys:"]
            lines += [f"  {name}: {{allow: [encrypt, decrypt]}}" for name in self.keys]
        if self.has_database:
            database = self.name.replace("-", "_")
            lines += ["", "database:", "  engine: postgresql", f"  name: {database}"]
            lines += ["  roles:", "    default: {ttl: 1h, max_ttl: 24h}"]
        if self.config:
            lines += ["", *self.config.section()]
        return "\n".join([*lines, ""])
