"""Commands of ``strongroom``: where each is in the code, and in the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Place(NamedTuple):
    """Place of a command in the code, and how the help of all commands describes it.

    *target* is ``module:function`` below :mod:`console.commands`, or the places of a group's
    commands. *summary* repeats the first sentence of the help, so that a list imports no command.
    """

    target: str | Mapping[str, Place]
    summary: str


#: Panels of the help, and the commands of each by name, the most used first.
PANELS: Final[Mapping[str, Mapping[str, Place]]] = {
    "Start": {
        "init": Place(
            "start.authoring:init",
            "Write the repository of a new deployment: dev, and the environments that you name.",
        ),
        "new": Place("start.authoring:app", "Declare something new."),
        "import-env": Place(
            "start.env_import:import_env",
            "Move the secrets of a .env file to the server, and prove that they arrived.",
        ),
        "adopt": Place(
            "start.adoption:adopt_secret",
            "Let the server set the password of a database URL, every 30 days or as declared.",
        ),
        "adopt-kv": Place(
            "start.kv_adoption:adopt_kv",
            "Declare a secret and copy the value of a KV entry into it, which stays as it is.",
        ),
        "sdk-wheel": Place(
            "start.sdk_wheel:sdk_wheel",
            "Write a wheel of the SDK alone, and print the lines that install it in an"
            " application.",
        ),
        "export-env": Place(
            "start.env_files:export_env",
            "Write the current values to a private .env file for a rollback, and record that.",
        ),
        "schema": Place(
            "start.authoring:schema", "Print the JSON Schema of a kind of file, for editors."
        ),
    },
    "Every day": {
        "up": Place(
            "every_day.deployment:up",
            "Start the local deployment, apply the declaration, and show how it works.",
        ),
        "status": Place(
            "every_day.status:status", "Show which parts run and which configs are in use."
        ),
        "plan": Place("every_day.plan:plan", "Show what apply would change."),
        "apply": Place(
            "every_day.plan:apply", "Apply the declaration to the server, or apply a saved plan."
        ),
        "run": Place(
            "every_day.service_secrets:run", "Run a program with a service's secrets as variables."
        ),
        "get": Place(
            "every_day.service_secrets:get",
            "Show the value of a secret on a terminal, and record that.",
        ),
        "put": Place(
            "every_day.put:put",
            "Write a new version of a secret, which is typed or read from standard input.",
        ),
        "doctor": Place(
            "every_day.doctor:doctor", "Find the first part of a service that does not work."
        ),
        "check": Place(
            "every_day.check:check", "Check declaration, templates and policies without a server."
        ),
        "console": Place(
            "every_day.page:console",
            "Show services, secrets and their age on a web page of this machine, until Ctrl-C.",
        ),
        "down": Place("every_day.stop:down", "Stop the local deployment."),
        "reset": Place(
            "every_day.stop:reset",
            "Erase the local deployment: its data, keys, passwords and logs.",
        ),
        "dev-values": Place("every_day.dev_values:app", "Values of dev that a team shares."),
        "redis-rules": Place(
            "every_day.redis_rules:app", "Rules of leased Redis users, from a run."
        ),
    },
    "Rotate": {
        "rotate": Place(
            "rotate.rotation:rotate",
            "Rotate a secret, key or credential, and end the old one when no consumer needs it.",
        ),
        "ledger": Place(
            "rotate.ledger:ledger",
            "Show the age, due date and last read of each secret, key and credential.",
        ),
        "rotate-password": Place(
            "start.adoption:rotate_password",
            "Let the server set another password of an adopted secret now, and restart the agent.",
        ),
    },
    "Audit": {
        "audit": Place("audit.app:app", "Audit logs of the server: who read what."),
        "logs": Place("audit.logs:app", "Encrypted logs of services."),
    },
    "Personal data": {
        "migrate": Place(
            "personal_data.migrate:app",
            "Encrypt columns of a database in use, encrypt them in another way, or decrypt them.",
        ),
        "file": Place(
            {
                "encrypt": Place(
                    "personal_data.file_encryption:encrypt_file",
                    "Encrypt a file, or standard input.",
                ),
                "decrypt": Place(
                    "personal_data.file_encryption:decrypt_file",
                    "Decrypt a file, or standard input.",
                ),
                "inspect": Place(
                    "personal_data.file_encryption:inspect_file",
                    "Show what the header of an encrypted file says.",
                ),
                "rewrap": Place(
                    "personal_data.file_encryption:rewrap_file",
                    "Move files to the newest version of the service's keys, or to other"
                    " recipients.",
                ),
            },
            "Encrypted files.",
        ),
        "keys": Place(
            {
                "rewrap": Place(
                    "personal_data.stored_keys:rewrap_keys",
                    "Rewrap stored keys under the newest version of a key, and count them by"
                    " version.",
                ),
                "migrate": Place(
                    "personal_data.stored_keys:migrate_keys",
                    "Rewrap stored keys from one backend to another, and count them.",
                ),
            },
            "Stored keys, each wrapped by a key of the server.",
        ),
    },
    "Deploy and operate": {
        "bootstrap": Place(
            "deploy.bootstrap:bootstrap",
            "Apply to a new server for the first time, with an administrator's token.",
        ),
        "agent": Place("deploy.agent_build:app", "Build the files that run a service's agent."),
        "issue-secret-id": Place(
            "deploy.credentials:issue_secret_id",
            "Issue a credential of a service outside dev, such as its first one.",
        ),
        "unwrap": Place(
            "deploy.credentials:unwrap", "Open a wrapped secret-id that was handed over, once."
        ),
        "units": Place(
            "deploy.units:units",
            "Write the timers of systemd, or the CronJobs, that run a recurring job.",
        ),
        "backup": Place(
            {
                "create": Place(
                    "deploy.backup:backup_database",
                    "Back up a service's database into an encrypted file, verified by a restore.",
                ),
                "restore": Place(
                    "deploy.backup:restore_database",
                    "Restore a backup into an empty database, after a restore into a scratch"
                    " server.",
                ),
                "list": Place(
                    "deploy.backup:backups",
                    "List the backups of a folder, and find what is missing, cut, altered or old.",
                ),
            },
            "Encrypted backups of a service's database.",
        ),
        "policies": Place("deploy.policies:app", "Test what services may do; replace a policy."),
        "ci-env": Place(
            "deploy.ci_env:ci_env",
            "Run a command of a CI job with a service's secrets as variables.",
        ),
        "environments": Place(
            "deploy.environments:app", "Compare environments; print what one needs."
        ),
        "monitoring": Place("deploy.monitoring:app", "Alerts, mail routes and a dashboard."),
        "rollout": Place("deploy.rollout:app", "Watch a switch from one colour to another."),
        "break-glass": Place(
            "deploy.break_glass:break_glass",
            "Make a credential that, with the recovery keys, replaces a lost one of apply.",
        ),
        "image": Place(
            "deploy.image:image",
            "Build the image of this tool, which the containers of a repository begin from.",
        ),
    },
    "AWS": {
        "aws": Place(
            {
                "cost": Place(
                    "aws.cost:cost",
                    "Estimate what secrets, keys and requests on AWS cost in a month.",
                ),
                "copy-secrets": Place(
                    "aws.secret_copy:copy_secrets",
                    "Copy the values of declared secrets from one backend to the other, and prove"
                    " them equal.",
                ),
                "rotation-function": Place(
                    "aws.rotation_function:rotation_function",
                    "Write the Lambda function that rotates the secrets of an environment on AWS.",
                ),
            },
            "Only on AWS: costs, the move to it and back, and rotation there.",
        ),
    },
    "This example": {
        "store": Place(
            "every_day.deployment:store",
            "Run the example services on the local deployment until they are interrupted.",
        ),
    },
}
#: Commands by name, in the order of the help.
COMMANDS: Final = {name: place for panel in PANELS.values() for name, place in panel.items()}
#: Former names, which the help does not list, and the words that each stands for.
ALIASES: Final = {
    "backup-database": "backup create",
    "backups": "backup list",
    "copy-secrets": "aws copy-secrets",
    "cost": "aws cost",
    "decrypt-file": "file decrypt",
    "encrypt-file": "file encrypt",
    "inspect-file": "file inspect",
    "migrate-keys": "keys migrate",
    "restore-database": "backup restore",
    "rewrap-file": "file rewrap",
    "rewrap-keys": "keys rewrap",
    "rotation-function": "aws rotation-function",
}
