"""Commands of ``strongroom``, whose modules are imported when one of them runs.

All modules together take longer to import than most commands need for their work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

#: Name → module and the name of its function, or of a group of commands, in the order of the help.
COMMANDS: Final = {
    "init": "console.authoring:init",
    "check": "console.authoring:check",
    "schema": "console.authoring:schema",
    "bootstrap": "console.bootstrap:bootstrap",
    "ci-env": "console.ci_env:ci_env",
    "cost": "console.cost:cost",
    "issue-secret-id": "console.credentials:issue_secret_id",
    "unwrap": "console.credentials:unwrap",
    "doctor": "console.doctor:doctor",
    "import-env": "console.env_import:import_env",
    "encrypt-file": "console.file_encryption:encrypt_file",
    "decrypt-file": "console.file_encryption:decrypt_file",
    "inspect-file": "console.file_encryption:inspect_file",
    "rewrap-file": "console.file_encryption:rewrap_file",
    "export-env": "console.env_files:export_env",
    "ledger": "console.ledger:ledger",
    "put": "console.put:put",
    "console": "console.page.command:console",
    "rotate-password": "console.adoption:rotate_password",
    "rotate": "console.rotation:rotate",
    "rotation-function": "console.rotation_function:rotation_function",
    "copy-secrets": "console.secret_copy:copy_secrets",
    "migrate-keys": "console.stored_keys:migrate_keys",
    "rewrap-keys": "console.stored_keys:rewrap_keys",
    "units": "console.units:units",
    "backup-database": "console.backup:backup_database",
    "restore-database": "console.backup:restore_database",
    "backups": "console.backup:backups",
    "adopt": "console.adoption:adopt_secret",
    "adopt-kv": "console.kv_adoption:adopt_kv",
    "up": "console.local_commands:up",
    "image": "console.local_commands:image",
    "down": "console.local_commands:down",
    "status": "console.local_commands:status",
    "reset": "console.local_commands:reset",
    "plan": "console.plan_commands:plan",
    "apply": "console.plan_commands:apply",
    "store": "console.local_commands:store",
    "environments": "console.environments:app",
    "agent": "console.agent_build:app",
    "audit": "console.audit.app:app",
    "logs": "console.logs:app",
    "new": "console.authoring:app",
    "migrate": "console.migrate:app",
    "monitoring": "console.monitoring:app",
    "policies": "console.policies:app",
    "rollout": "console.rollout:app",
}


class Commands(Mapping[str, Any]):
    """Commands by name, each built when it is looked up for the first time."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """Create the commands of *places*, a name → ``module:function or group``."""
        self._places = places
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._places[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class CommandGroup(TyperGroup):
    """The group of :data:`COMMANDS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": Commands(COMMANDS)})


def _build(name: str, place: str) -> Any:
    """Import the function or group at *place*, and return the command *name* of it."""
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    return command
