"""New service: the declaration that ``strongroom new service`` writes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, check_secret_name, check_service_name
from console.scaffold.new_config import TEMPLATE, NewConfig
from console.scaffold.new_policy_tests import NewPolicyTests, key_operations
from vault.declare.declaration import Declaration
from vault.declare.edit import service_file
from vault.declare.edit.new_service import add_service
from vault.declare.edit.service_file import Spec
from vault.declare.edit.yaml_text import quote
from vault.declare.file_kind import Kind
from vault.declare.policy_files import TESTS_SUFFIX
from vault.declare.repository import Repository
from vault.declare.schema import json_schema
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import shared_name

#: The local runtime replaces the port by its own.
_LOCAL_DATABASE: Final = "127.0.0.1:15432"
#: Policy for the passwords of database users, in each environment that ``strongroom init`` writes.
_POLICY_OF_PASSWORDS: Final = "database"
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class NewService:
    """Service to be declared.

    *databases* has host and port of each environment's database server but dev's. *application* is
    None for a service without a config. *derived* maps secrets to the format that composes them.
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
    settings: Mapping[str, Spec] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)

    def write(self, repository: Repository) -> dict[str, str]:
        """Write the service file, and an entry in the file of each environment it can run in.

        Returns each environment without an entry, with what is not known of it. The entry in dev is
        written last, so a service that runs there is complete. After a kill, the same call writes
        what is missing.
        """
        for name in (self.name, *self.keys):
            check_service_name(name)
        for name in (*self.generated, *self.given):
            check_secret_name(name)
        if twice := sorted({*self.generated} & {*self.given}):
            raise ConfigurationError(
                f"secrets cannot be both generated and given: {', '.join(twice)}; pass one of the "
                "two options for each"
            )
        declared = repository.load()
        for environment in self.databases:
            declared.environment(environment)
        order = sorted(declared.environments, key=lambda name: (name.is_dev, name))
        entries = {name: self._entry(declared.environments[name]) for name in order}
        known = {name: entry for name, entry in entries.items() if entry is not None}
        text, path = self.text(repository), self.path(repository)
        # First, because the other files of a declared service exist, too: they are not in the way.
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise ConfigurationError(f"{path} exists; edit it, or choose another name")
        with self._other_files(repository, declared):
            add_service(repository.declaration, self.name, text, known, repository.check)
        unknown = {name for name, entry in entries.items() if entry is None}
        on_aws = {name for name in unknown if declared.environments[name].aws}
        return {
            str(name): "iam_roles: [ROLE]" if name in on_aws else "database: host:port"
            for name in entries
            if name in unknown
        }

    @property
    def secrets(self) -> list[str]:
        """Return the names of all its secrets."""
        database = ["database-url"] if self.has_database else []
        given = (name for name in self.given if name not in database)
        return [*self.generated, *given, *database, *self.derived]

    @property
    def config(self) -> NewConfig | None:
        """Return its config, or None if it has none."""
        if self.application is None:
            return None
        types = {name: str(spec["type"]) for name, spec in self.settings.items()}
        return NewConfig(self.name, self.secrets, self.application, types)

    def tests_file(self, repository: Repository) -> Path:
        """Return the file with the tests of its policy."""
        return repository.policies / f"{self.name}{TESTS_SUFFIX}"

    def _policy_tests(self, declared: Declaration) -> NewPolicyTests:
        """Return the tests of its policy, which deny a secret of a declared service if it can."""
        others = (
            f"{name}/{{environment}}/{secret}"
            for name, service in sorted(declared.services.items())
            for secret in sorted(service.secrets)
            if name != self.name
        )
        other = next(others, "another-service/{environment}/a-secret")
        return NewPolicyTests(self.name, self.secrets, self.keys, self.has_database, other)

    @contextmanager
    def _other_files(self, repository: Repository, declared: Declaration) -> Iterator[None]:
        """Write tests, template and model, and remove them again if the block fails.

        They are written first, because the declaration is checked with the template, a service
        without its model gets no config, and one that is declared has tests. A model of the same
        name is the team's, and stays.
        """
        comment = _editor_comment(repository, Kind.POLICY_TESTS, repository.policies)
        texts = {self.tests_file(repository): self._policy_tests(declared).text(comment)}
        config = self.config
        if config is not None:
            texts[self.template_path(repository)] = config.template()
        for path, text in texts.items():
            # One with the same text was left by a command that was killed.
            if path.exists() and path.read_text(encoding="utf-8") != text:
                raise ConfigurationError(f"{path} exists; move it away, or choose another name")
        model = config and config.model_path(repository.root)
        if config and model and not model.exists():
            texts[model] = config.source()
        try:
            for path, text in texts.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, text.encode(), mode=_MODE)
            yield
        except BaseException:
            # The service file, once it is written, needs them.
            if not self.path(repository).exists():
                for path in texts:
                    path.unlink(missing_ok=True)
            raise

    def path(self, repository: Repository) -> Path:
        """Return the path of the service file in *repository*."""
        return repository.declaration / "services" / f"{self.name}.yaml"

    def template_path(self, repository: Repository) -> Path:
        """Return the path of the template in *repository*."""
        return repository.templates / self.name / TEMPLATE

    def text(self, repository: Repository) -> str:
        """Return the service file, with a line for editors if *repository* has the schema."""
        comment = _editor_comment(repository, Kind.SERVICE, self.path(repository).parent)
        return "\n".join([*([comment] if comment else []), self._text()])

    def _entry(self, declared: EnvironmentDeclaration) -> Spec | None:
        """Return the entry in the environment's file, or None if it cannot have one."""
        if declared.aws is not None and declared.environment not in self.databases:
            # The roles of its processes, any other caller than which would raise an alarm.
            needs_roles = declared.aws.monitoring and (self.secrets or self.keys)
            return None if needs_roles else {}
        if not self.has_database:
            return {}
        default = _LOCAL_DATABASE if declared.environment.is_dev else None
        address = self.databases.get(declared.environment, default)
        if address is None:
            return None
        # The second is what earlier versions of strongroom init write.
        names = (shared_name(declared.deployment, _POLICY_OF_PASSWORDS), _POLICY_OF_PASSWORDS)
        policies = [name for name in names if name in declared.password_policies]
        return {"database": address, **({"password_policy": policies[0]} if policies else {})}

    def _text(self) -> str:
        """Return the content of the service file."""
        lines = [
            f"# Needs of {self.name}, the same in every environment. It never contains a value.",
            f"service: {self.name}",
            f"owner: {quote(self.owner)}",
            f"description: {quote(self.description)}",
        ]
        secrets = [f"  {name}: {{source: generated, length: 48}}" for name in self.generated]
        given = [each for each in self.secrets if each not in {*self.generated, *self.derived}]
        secrets += [f"  {name}: {{source: given}}" for name in given]
        secrets += [
            f"  {name}: {{source: derived, format: {quote(text)}}}"
            for name, text in self.derived.items()
        ]
        if secrets:
            lines += ["", "secrets:", *secrets]
        if self.keys:
            lines += ["", "keys:"]
            lines += [
                f"  {name}: {{allow: [{', '.join(key_operations(name))}]}}" for name in self.keys
            ]
        if self.has_database:
            database = self.name.replace("-", "_")
            lines += ["", "database:", "  engine: postgresql", f"  name: {database}"]
            lines += ["  roles:", "    default: {ttl: 1h, max_ttl: 24h}"]
        if self.config:
            lines += ["", *self.config.section()]
        if self.settings:
            lines += ["", "settings:", *service_file.render(self.settings, 2)]
        return "\n".join([*lines, ""])


def _editor_comment(repository: Repository, kind: Kind, folder: Path) -> str | None:
    """Return the first line of a file in *folder*, or None if its schema does not exist."""
    schemas = repository.declaration / "schema"
    if not (schemas / json_schema.file_name(kind)).exists():
        return None
    return json_schema.editor_comment(kind, Path(os.path.relpath(schemas, folder)).as_posix())
