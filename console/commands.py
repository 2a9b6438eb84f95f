"""Commands of ``strongroom``, whose modules are imported when one of them runs.

All modules together take longer to import than most commands need for their work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Place(NamedTuple):
    """Place of a command in the code, and how the help of all commands describes it.

    Attributes:
        target: ``module:function``, or that of a group of commands.
        summary: First paragraph of its own help, repeated so that a list of all commands, and the
            completion of a name, import none of them.

    """

    target: str
    summary: str


#: Commands by name, in the order of the help.
COMMANDS: Final = {
    "init": Place(
        "console.authoring:init",
        "Write the repository of a new deployment: dev, and the environments that you name.",
    ),
    "check": Place(
        "console.authoring:check",
        "Check declaration, templates and policies without a server. Exit code 2 on an error.",
    ),
    "schema": Place(
        "console.authoring:schema", "Print the JSON Schema of a kind of file, for editors."
    ),
    "bootstrap": Place(
        "console.bootstrap:bootstrap",
        "Apply to a new server for the first time, with an administrator's token.",
    ),
    "break-glass": Place(
        "console.break_glass:break_glass",
        "Make a credential that, with the recovery keys, replaces a lost one of apply.",
    ),
    "ci-env": Place(
        "console.ci_env:ci_env", "Run a command of a CI job with a service's secrets as variables."
    ),
    "cost": Place(
        "console.cost:cost",
        "Estimate what secrets, keys and requests on AWS cost in a month. AWS is not asked.",
    ),
    "issue-secret-id": Place(
        "console.credentials:issue_secret_id",
        "Issue a credential of a service outside dev, such as its first one.",
    ),
    "unwrap": Place(
        "console.credentials:unwrap",
        "Open a wrapped secret-id that was handed over, once. It needs no login.",
    ),
    "doctor": Place(
        "console.doctor:doctor",
        "Find the first part of a service that does not work. Exit code 2 if there is one.",
    ),
    "import-env": Place(
        "console.env_import:import_env",
        "Move the secrets of a .env file to the server, and prove that they arrived.",
    ),
    "encrypt-file": Place(
        "console.file_encryption:encrypt_file", "Encrypt a file, or standard input."
    ),
    "decrypt-file": Place(
        "console.file_encryption:decrypt_file",
        "Decrypt a file, or standard input. A target appears when all of it was verified.",
    ),
    "inspect-file": Place(
        "console.file_encryption:inspect_file",
        "Show what the header of an encrypted file says. Nothing of it is verified.",
    ),
    "rewrap-file": Place(
        "console.file_encryption:rewrap_file",
        "Move files to the newest version of the service's keys, or to other recipients.",
    ),
    "export-env": Place(
        "console.env_files:export_env",
        "Write the current values to a private file for a rollback, and record the export.",
    ),
    "ledger": Place(
        "console.ledger:ledger",
        "Show the age, due date and last read of each secret, key and credential.",
    ),
    "put": Place("console.put:put", "Write a new version of a secret, read from standard input."),
    "get": Place(
        "console.service_secrets:get", "Show the value of a secret on a terminal, and record that."
    ),
    "run": Place(
        "console.service_secrets:run", "Run a program with a service's secrets as variables."
    ),
    "console": Place(
        "console.page.command:console",
        "Show services, secrets and their age on a web page of this machine, until Ctrl-C.",
    ),
    "rotate-password": Place(
        "console.adoption:rotate_password",
        "Let the server set another password of an adopted secret now, and restart the agent.",
    ),
    "rotate": Place(
        "console.rotation:rotate",
        "Rotate a secret, key or credential, and end the old one when no consumer needs it.",
    ),
    "rotation-function": Place(
        "console.rotation_function:rotation_function",
        "Write the Lambda function that rotates the secrets of an environment on AWS.",
    ),
    "copy-secrets": Place(
        "console.secret_copy:copy_secrets",
        "Copy the values of declared secrets from one backend to the other, and prove them equal.",
    ),
    "migrate-keys": Place(
        "console.stored_keys:migrate_keys",
        "Rewrap stored keys from one backend to another, and count them. Repeat it after a"
        " failure.",
    ),
    "rewrap-keys": Place(
        "console.stored_keys:rewrap_keys",
        "Rewrap stored keys under the newest version of a key, and count them by version.",
    ),
    "units": Place(
        "console.units:units",
        "Write what runs a recurring job at its times. The files contain no secret.",
    ),
    "backup-database": Place(
        "console.backup:backup_database",
        "Back up a service's database into an encrypted file, verified by a restore.",
    ),
    "restore-database": Place(
        "console.backup:restore_database",
        "Restore a backup into an empty database, after a restore into a scratch server.",
    ),
    "backups": Place(
        "console.backup:backups",
        "List the backups of a folder, and find what is missing, cut, altered or old.",
    ),
    "adopt": Place(
        "console.adoption:adopt_secret",
        "Let the server set the password of a database URL, every 30 days or as declared.",
    ),
    "adopt-kv": Place(
        "console.kv_adoption:adopt_kv",
        "Declare a secret and copy the value of a KV entry into it, which stays as it is.",
    ),
    "up": Place(
        "console.local_commands:up",
        "Start the local deployment, apply the declaration, and show how it works.",
    ),
    "image": Place(
        "console.local_commands:image",
        "Build the image of this tool, which the containers of a repository begin from.",
    ),
    "down": Place(
        "console.local_commands:down",
        "Stop the local deployment. Its data stays, except in containers.",
    ),
    "status": Place(
        "console.local_commands:status",
        "Show which parts run and which configs are in use. Exit code 2 if a part does not work.",
    ),
    "reset": Place(
        "console.local_commands:reset",
        "Erase the local deployment: its data, keys, passwords and logs.",
    ),
    "plan": Place(
        "console.plan_commands:plan",
        "Show what apply would change. Exit code 2 if there are changes.",
    ),
    "apply": Place(
        "console.plan_commands:apply", "Apply the declaration to the server, or apply a saved plan."
    ),
    "store": Place(
        "console.local_commands:store",
        "Run the example services on the local deployment until they are interrupted.",
    ),
    "environments": Place(
        "console.environments:app", "Compare environments; print what one needs."
    ),
    "dev-values": Place("console.dev_values:app", "Values of dev that a team shares."),
    "agent": Place("console.agent_build:app", "Build the files that run a service's agent."),
    "audit": Place("console.audit.app:app", "Audit logs of the server: who read what."),
    "logs": Place("console.logs:app", "Encrypted logs of services."),
    "new": Place("console.authoring:app", "Declare something new."),
    "sdk-wheel": Place(
        "console.sdk_wheel:sdk_wheel",
        "Write a wheel of the SDK alone, and print the lines that install it in an application.",
    ),
    "migrate": Place(
        "console.migrate:app",
        "Encrypt columns of a database in use, encrypt them in another way, or decrypt them."
        " 'migrate PLAN' is 'migrate run PLAN'.",
    ),
    "monitoring": Place("console.monitoring:app", "Alerts, mail routes and a dashboard."),
    "policies": Place("console.policies:app", "Test what services may do; replace a policy."),
    "redis-rules": Place("console.redis_rules:app", "Rules of leased Redis users, from a run."),
    "rollout": Place("console.rollout:app", "Watch a switch from one colour to another."),
}


class Commands(Mapping[str, Any]):
    """Commands by name, each built when it is looked up for the first time."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        """Create the commands of *places*, by name."""
        self._places = places
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, self._places[name].target)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class CommandGroup(TyperGroup):
    """The group of :data:`COMMANDS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": Commands(COMMANDS)})

    def list_commands(self, _ctx: object) -> list[str]:
        """Return the names, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, _ctx: object, cmd_name: str) -> Any:
        """Return what the help and the completion show of a command; None if there is none."""
        place = COMMANDS.get(cmd_name)
        return place and TyperCommand(cmd_name, help=place.summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return name, command and the rest of the arguments; the command is imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.commands.get(name or ""), rest


def _build(name: str, target: str) -> Any:
    """Import the function or group *target*, and return the command *name* of it."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    return command
