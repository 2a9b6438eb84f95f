"""Names that users, dashboards, stored data and other systems rely on.

A name here changes only by an ADR. Each list is compared with the code in both directions: a
missing name fails, and so does an added one. To add a name, add it to its list here in the same
commit. A command, or a kind that ``--prune`` may delete, is added by the release that has it first.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import pkgutil
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import app_integration
import migration
from agent.supervisor import unit_file, unit_state
from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.run_settings import RunSettings
from app_integration import __main__ as host
from app_integration import names, settings
from app_integration._internal import cli as host_cli
from app_integration._internal import variables
from app_integration.config import delivery_status, file_versions, versions_line
from app_integration.diagnosis import command as diagnosis
from app_integration.encryption.blind_index import key_context
from app_integration.encryption.blind_index.index import hash_label
from app_integration.encryption.blind_index.normalise import NORMALISERS
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.encryption.blind_index.stores.table import index_keys_table
from app_integration.encryption.cipher import wrap_scope
from app_integration.encryption.keys import data_key
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.stores import file as key_file
from app_integration.encryption.keys.stores.table import data_keys_table
from app_integration.encryption.tokens import encryption_context, envelope, keyring_token
from app_integration.encryption.tokens import value_codec as codec
from app_integration.integrations.sqlalchemy import CompoundIndex, Encrypted, EncryptedRow, Index
from app_integration.names import Environment, Scope
from app_integration.observability import default_registry, metrics, prometheus
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.recorder import NullRecorder
from app_integration.secret import Secret
from app_integration.secret_store.access_recorder import AccessRecorder
from app_integration.secret_store.cache_entry import FetchResult, build_entry
from app_integration.sources import FetchedSecret
from app_integration.sources.aws import NEXT
from app_integration.testing import plugin
from aws.rotation.instructions import ANNOUNCED_TAG
from console import cli
from console.command_table import ALIASES
from console.commands.audit import anomalies, devices, logs, verify
from console.commands.aws import iam_policies
from console.commands.deploy import backup, environments, policies, policy_check, rollout
from console.commands.every_day import plan as plan_commands
from console.commands.every_day import status
from console.commands.personal_data import migrate
from console.commands.rotate import ledger
from console.target.environment_plan import OpenPlan
from local import ports
from local.layout import Layout
from policies.render import render_policies
from vault import owned_folder
from vault.audit.archive.device_metrics import render_device_metrics
from vault.audit.archive.devices import DeviceState
from vault.audit.archive.entry import Deletion, Segment
from vault.audit.archive.log_facts import LogFacts
from vault.audit.store import STORE
from vault.declare import server_names
from vault.declare.load import load
from vault.reconcile.desired import desired
from vault.reconcile.environment_diff import Differences
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.planning.plan import Action, Change, FieldChange, Plan
from vault.reconcile.resources import database, jwt, kubernetes, marks, ownership, secrets
from vault.reconcile.resources.write_only import WriteOnly

ROOT: Final = Path(__file__).parents[3]
SCOPE: Final = Scope("shop-api", Environment.DEV)


def words(text: str) -> set[str]:
    """Return the words of *text*."""
    return set(text.split())


# Environment variables -------------------------------------------------------------------------

#: Variables of an application. `settings.from_environment` reads them all.
APPLICATION_VARIABLES: Final = words(
    """
    ENVIRONMENT SECRETS_BACKEND STRONGROOM_AUDIT STRONGROOM_AUDIT_DEVICE STRONGROOM_AUDIT_FILE
    STRONGROOM_AUDIT_KEY
    STRONGROOM_AUTH STRONGROOM_AUTH_MOUNT STRONGROOM_AWS_REPLICAS STRONGROOM_CONFIG
    STRONGROOM_EMF_INTERVAL STRONGROOM_ENVIRONMENT
    STRONGROOM_DATA_KEYS STRONGROOM_SECRET_ARNS
    STRONGROOM_DATABASE_MOUNT STRONGROOM_DATABASE_URL STRONGROOM_REDIS_URL
    STRONGROOM_DECLARATION STRONGROOM_DOTENV STRONGROOM_JWT_FILE
    STRONGROOM_KMS_KEYS STRONGROOM_KV_MOUNT
    STRONGROOM_LIMIT_BRANCH_KEY_AGE
    STRONGROOM_LIMIT_CACHE_ENTRIES STRONGROOM_LIMIT_CACHE_TTL STRONGROOM_LIMIT_DATA_KEY_AGE
    STRONGROOM_LIMIT_DATA_KEY_CACHE STRONGROOM_LIMIT_DATA_KEY_MESSAGES STRONGROOM_LIMIT_DEADLINE
    STRONGROOM_LIMIT_INDEX_REFRESH STRONGROOM_LIMIT_LEASE_ROTATE_AT STRONGROOM_LIMIT_NEGATIVE_TTL
    STRONGROOM_LIMIT_STALE_LIMIT STRONGROOM_METRICS_TOKEN_FILE STRONGROOM_READER_GROUP
    STRONGROOM_ROLE_ID_FILE
    STRONGROOM_SECRET_ID_FILE STRONGROOM_SERVICE STRONGROOM_SOURCES STRONGROOM_TOKEN_FILE
    STRONGROOM_TRANSIT_MOUNT STRONGROOM_VAULT_ADDRS VAULT_ADDR VAULT_CACERT VAULT_CLIENT_CERT
    VAULT_CLIENT_KEY VAULT_NAMESPACE
    """
)
#: Folder → every variable that its code reads or sets as a string constant.
VARIABLES: Final = {
    "app_integration": APPLICATION_VARIABLES
    | words("PROMETHEUS_MULTIPROC_DIR STRONGROOM_RUNTIME VAULT_IMAGE")
    | words("ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL GITHUB_ACTIONS")
    | words("STRONGROOM_JWT STRONGROOM_JWT_AUDIENCE STRONGROOM_KEY_VERSION")
    | words("AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_REGION")
    | words("BAO_DEV_ROOT_TOKEN_ID SKIP_SETCAP VAULT_DEV_ROOT_TOKEN_ID"),
    "vault": words(
        """
        ENVIRONMENT STRONGROOM_IDENTITY STRONGROOM_NAME STRONGROOM_ROTATION_ID
        STRONGROOM_SERVICE
        """
    ),
    "agent": words(
        """
        AWS_REGION SECRETS_BACKEND STRONGROOM_AUDIT_FILE STRONGROOM_AUDIT_KEY
        STRONGROOM_AWS_REPLICAS STRONGROOM_SECRET_ARNS
        STRONGROOM_AUTH STRONGROOM_CONFIG STRONGROOM_JWT_FILE STRONGROOM_OPERATOR_JWT_FILE
        STRONGROOM_OPERATOR_ROLE_ID_FILE STRONGROOM_OPERATOR_SECRET_ID_FILE STRONGROOM_READER_GROUP
        STRONGROOM_ROLE_ID_FILE STRONGROOM_SECRET_ID_FILE VAULT_CACERT
        VAULT_CLIENT_CERT VAULT_CLIENT_KEY
        """
    ),
    "policies": set[str](),
    "local": words(
        """
        AWS_ACCESS_KEY_ID AWS_ENDPOINT_URL AWS_REGION AWS_SECRET_ACCESS_KEY DOCKER_HOST
        MOTO_ACCOUNT_ID MOTO_DISABLE_GLOBAL_CORS SECRETS_BACKEND STRONGROOM_AUDIT
        STRONGROOM_AUDIT_DEVICE STRONGROOM_AUDIT_FILE STRONGROOM_CONFIG STRONGROOM_ROLE_ID_FILE
        STRONGROOM_RUNTIME STRONGROOM_SECRET_ID_FILE STRONGROOM_SITE STRONGROOM_STORE_PORT
        STRONGROOM_TOOL_IMAGE VAULT_ADDR VAULT_BINARY VAULT_IMAGE
        """
    ),
    "backup": set[str](),
    "console": words(
        """
        AWS_DEFAULT_REGION AWS_REGION REDIS_URL STRONGROOM_AUTH STRONGROOM_AUTH_MOUNT
        STRONGROOM_DECLARATION STRONGROOM_KMS_KEYS STRONGROOM_OPERATOR_JWT_FILE
        STRONGROOM_OPERATOR_ROLE_ID_FILE STRONGROOM_OPERATOR_SECRET_ID_FILE
        STRONGROOM_ROLE_ID_FILE STRONGROOM_SERVICE STRONGROOM_TOKEN_FILE VAULT_CACERT
        """
    ),
    "examples": words("DJANGO_SETTINGS_MODULE LOG_LEVEL PAGE_SIZE REPORT_TITLE SECRETS_BACKEND")
    | words("STRONGROOM_STORE_HOST STRONGROOM_STORE_PHASE STRONGROOM_STORE_PORT"),
}
#: String constants that look like a variable: what programs inherit, keys of WSGI and Flask, and
#: Django's settings.
NO_VARIABLES: Final = words(
    "LC_ALL LC_CTYPE REMOTE_ADDR MAX_CONTENT_LENGTH SSL_CERT_FILE CONN_MAX_AGE SECRET_KEY"
    " PYTEST_XDIST_WORKER PYTEST_XDIST_WORKER_COUNT"
)
PORT_VARIABLES: Final = words(
    """
    STRONGROOM_AWS_PORT STRONGROOM_DATABASE_PORT STRONGROOM_REDIS_PORT STRONGROOM_SMTP_PORT
    STRONGROOM_STORE_PORT STRONGROOM_VAULT_CLUSTER_PORT STRONGROOM_VAULT_PORT
    """
)
MONITORING_PORT_VARIABLES: Final = words(
    "STRONGROOM_ALERTMANAGER_PORT STRONGROOM_NODE_EXPORTER_PORT STRONGROOM_PROMETHEUS_PORT"
)
COMPOSE_VARIABLES: Final = (PORT_VARIABLES - {"STRONGROOM_AWS_PORT"}) | words(
    "POSTGRES_IMAGE REDIS_IMAGE STRONGROOM_IMAGE STRONGROOM_SITE STRONGROOM_TOOL_IMAGE VAULT_BINARY"
    " VAULT_IMAGE"
)
#: Variable → its allowed values.
CHOICES: Final = {
    "STRONGROOM_AUDIT": (settings.AUDIT_MODES, "each aggregate"),
    "STRONGROOM_AUTH": (
        settings.AUTH_METHODS,
        "approle approle-wrapped jwt kubernetes cert token proxy",
    ),
    "STRONGROOM_DATA_KEYS": ((settings.DATABASE,), "database"),
    "STRONGROOM_SOURCES": (variables.SOURCES, "vault aws rendered dotenv"),
    "SECRETS_BACKEND": (settings.BACKENDS, "vault aws memory"),
    # And every other well-formed name.
    "ENVIRONMENT": (
        {*names.LONG_FORMS, *names.LONG_FORMS.values()},
        "dev development prod production",
    ),
}


def texts(folder: str) -> Iterator[str]:
    """Yield every string constant of the code in *folder*."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("folder", VARIABLES)
def test_variables_of_a_folder_are_listed(folder: str) -> None:
    shape = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|ENVIRONMENT")
    assert {text for text in texts(folder) if shape.fullmatch(text)} - NO_VARIABLES == VARIABLES[
        folder
    ]


def test_variables_read_for_an_application_are_listed() -> None:
    class Variables(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    read: set[str] = set()
    settings.from_environment(
        Variables(STRONGROOM_SERVICE="shop", ENVIRONMENT="dev", VAULT_ADDR="http://127.0.0.1")
    )
    assert read == APPLICATION_VARIABLES


def test_variables_of_ports_are_listed() -> None:
    for kind, listed in (
        (ports.Ports, PORT_VARIABLES),
        (ports.MonitoringPorts, MONITORING_PORT_VARIABLES),
    ):
        assert {ports.setting(each.name) for each in fields(kind)} == listed


def test_variables_of_compose_are_listed() -> None:
    template = ROOT / "console" / "scaffold" / "repository_files" / "docker-compose.yml.j2"
    text = template.read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == COMPOSE_VARIABLES


@pytest.mark.parametrize("variable", CHOICES)
def test_choices_of_a_variable_are_listed(variable: str) -> None:
    taken, listed = CHOICES[variable]
    assert set(taken) == words(listed)


# Commands and exit codes -----------------------------------------------------------------------

#: Command of `python -m app_integration` → its options.
HOST_COMMANDS: Final = {
    "check": "--database --redis -h --help",
    "ci-env": "--service --env --name -h --help",
    "decrypt-file": "--service --env --force --context --identity -h --help",
    "deliver": "--staging --watch --live --model --never-fail --from-sdk --every"
    " --reload --health --within --settle"
    " -h --help",
    "encrypt-file": "--service --env --force --context --recipient --key --no-key -h --help",
    "inspect-file": "-h --help",
    "migrate-keys": "--service --env --from --to --key --data-keys --index-keys --role --count"
    " -h --help",
    "rewrap-file": "--service --env --recipient --identity --key -h --help",
    "rewrap-keys": "--service --env --key --data-keys --index-keys --role --count --below"
    " -h --help",
    "run": "--service --env --name --file --restart-on-change -h --help",
}
#: Command of `strongroom` → its arguments in order, and its options.
COMMANDS: Final = {
    "agent build": "COMMAND --service --env --for --out --folder --cacert --colour --health"
    " --from-sdk",
    "adopt": "NAME --service --env --root --admin-url-file --undo --yes",
    "adopt-kv": "ENTRY --service --env --name --replace --yes --dry-run --json --root",
    "apply": "FILE --env --service --root --given --prune --destroy-data --widen",
    "audit anomalies": "--env --since --rules --audit-log --store --metrics --json --root",
    "audit archive": "--service --env --folder --audit-log --reload --recipient --no-key --keep "
    "--root",
    "audit backtest": "--env --since --rules --audit-log --store --json --root",
    "audit devices": "--env --audit-log --min-free --metrics --root",
    "audit read": "FILES --service --env --identity --root",
    "audit verify": "FOLDER --head --service --env --identity --keep --root",
    "audit ingest": "--env --audit-log --records --store --keep --name --root",
    "audit report": "--env --service --since --until --audit-log --records --store --html --json "
    "--root",
    "audit version": "SECRET --env --service --since --until --audit-log --records --store --json "
    "--root",
    "audit what": "ACTOR --env --since --until --audit-log --records --store --json --root",
    "audit who": "SECRET --env --service --since --until --audit-log --records --store --json "
    "--root",
    "backup create": "--service --env --folder --recipient --keep --key --root",
    "backup list": "--folder --max-age",
    "bootstrap": "--env --out --token-file --given --audit-elsewhere --wrap-ttl",
    "break-glass": "--env --out --root",
    "check": "FOLDER",
    "ci-env": "COMMAND --service --env --name",
    "aws cost": "--env --instances --prometheus --reads --encrypts --decrypts --starts --days "
    "--branch-key-age --data-key-cache --prices --json",
    "console": "--env --audit-log --store --credentials --alertmanager --migration --port --idle "
    "--lifetime "
    "--root",
    "aws copy-secrets": "--env --from --to --service --replace --yes --dry-run --json --root",
    "dev-values key": "",
    "dev-values open": "--env --root",
    "dev-values share": "NAMES --service --env --root",
    "down": "--root",
    "file decrypt": "SOURCE TARGET --service --env --force --context --identity --root",
    "doctor": "--service --env --root",
    "file encrypt": "SOURCE TARGET --service --env --force --context --recipient --key --no-key "
    "--root",
    "environments apply-policy": "ENV",
    "environments diff": "ONE OTHER --root --credentials --json",
    "environments template": "ENV --out",
    "export-env": "--service --env --reason --out --root",
    "get": "NAME --service --env --reveal --root",
    "image": "--tag",
    "import-env": "FILE --service --env --root --secret --setting --skip --finish "
    "--dry-run --create --owner --description --key --config",
    "file inspect": "FILE",
    "init": "FOLDER --owner --deployment --environment --github",
    "issue-secret-id": "--service --env --out --for --host --wrap-ttl --colour",
    "ledger": "--env --service --audit-log --store --metrics --cloudwatch --json --root",
    "logs read": "PATHS --follow --service --env --identity --root",
    "keys migrate": "--service --env --from --to --key --data-keys --index-keys --role --count "
    "--root",
    "migrate build": "PLAN --for --env --image --out --workers --role --program --cacert",
    "migrate pause": "PLAN --env --role --root",
    "migrate plan": "PLAN --env --role --duty --free --json --root",
    "migrate resume": "PLAN --env --role --root",
    "migrate run": "PLAN --env --role --workers --duty --flag-file --max-lag --wait --postpone "
    "--decrypt --null --drop --free --dry-run --yes --root",
    "migrate status": "PLAN --env --role --metrics --json --root",
    "migrate throttle": "PLAN --env --duty --role --root",
    "migrate undo": "PLAN --env --role --duty --flag-file --max-lag --yes --root",
    "migrate work": "PLAN --env --role --duty --flag-file --max-lag --idle --root",
    "monitoring build": "--out",
    "monitoring down": "--root",
    "monitoring up": "--root",
    "new service": "NAME --owner --description --generate --given --key --database --database-at "
    "--config",
    "plan": "--env --service --root --given --prune --destroy-data --widen --json --out",
    "policies check": "--env --service --code --json",
    "policies diff": "OLD NEW --env --root",
    "policies explain": "--env --service --secret --key --operation --json",
    "policies override": "NAME --accept",
    "policies test": "--env --service --proposed --root",
    "policies who": "PATH --env",
    "policies why": "PATH OPERATION --env --role",
    "put": "NAME --service --env --root",
    "redis-rules record": "COMMAND --service --root",
    "reset": "--root --yes",
    "file rewrap": "FILES --service --env --recipient --identity --key --root",
    "keys rewrap": "--service --env --key --data-keys --index-keys --role --count --below --root",
    "backup restore": "FILE --service --env --into --drill --identity --root",
    "rollout watch": "--service --env --new --old --prometheus --for --interval --rules",
    "rotate": "NAME --env --service --kind --due --status --dry-run --undo --compromised --retired "
    "--wait --audit-log --store --prometheus --out --host --wrap-ttl --root",
    "aws rotation-function": "--env --out",
    "rotate-password": "NAME --service --env --root",
    "run": "COMMAND --service --env --name --file --restart-on-change --root",
    "schema": "KIND --out",
    "sdk-wheel": "--out",
    "status": "--root",
    "store": "--root",
    "units": "--job --for --service --env --out --schedule --folder --recipient --keep --program "
    "--image --cacert --repository --audit-log --store --prometheus --reload --user --metrics",
    "unwrap": "FOLDER --env --role",
    "up": "SERVICES --root",
}
#: Former name of a command, which stays → its name.
FORMER_COMMANDS: Final = {
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
#: Marks of folders that a command owns.
FOLDER_MARKS: Final = words("archive backups build credentials deployment store")
MAKE_TARGETS: Final = words(
    """
    help vault-up vault-status vault-down vault-reset monitoring-up monitoring-down plan apply store
    test test-unit coverage coverage-table histories bench bench-quick fuzz lint site pictures
    format nightly floors mutants wheel lock clean
    """
)
MAKE_VARIABLES: Final = words("PYTHON ENV RUNTIME ARGS WORKERS MEASURE")
#: Names of `import migration`, and what its class has.
MIGRATION: Final = words("Migration MigrationBusy MigrationFailed RunProgress Stage")
MIGRATION_METHODS: Final = words("open plan run status")
CHANGES: Final = 2
USAGE: Final = 64


def commands(command: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each command below *command* with its arguments and options."""
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{prefix} {name}".strip())
    if not hasattr(command, "commands"):
        shown = [each for each in command.params if not getattr(each, "hidden", False)]
        options = [(*each.opts, *each.secondary_opts) for each in shown]
        flat = [name for each in options for name in each]
        yield prefix, " ".join(name if name.startswith("-") else name.upper() for name in flat)


def arguments_and_options(text: str) -> tuple[list[str], set[str]]:
    """Split *text* into its arguments in order, and its options."""
    arguments = [word for word in text.split() if not word.startswith("-")]
    return arguments, words(text) - {*arguments}


def unlisted(found: Iterable[str], listed: Iterable[str]) -> set[str]:
    """Return names that are missing, and in a release those that are not listed, too."""
    is_release = "## [Unreleased]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return {*found} ^ {*listed} if is_release else {*listed} - {*found}


def test_commands_of_the_operator_are_listed() -> None:
    found = dict(commands(typer.main.get_command(cli.app)))
    assert unlisted(found, COMMANDS) == set()
    for name, text in COMMANDS.items():
        assert arguments_and_options(found[name]) == arguments_and_options(text), name


def test_former_names_of_commands_are_listed() -> None:
    assert ALIASES == FORMER_COMMANDS
    assert {*FORMER_COMMANDS.values()} <= COMMANDS.keys()


@pytest.mark.parametrize("former", FORMER_COMMANDS)
def test_former_name_runs_the_command(
    former: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(f"{former} --help", monkeypatch) == 0
    assert f" {FORMER_COMMANDS[former]} [OPTIONS] " in capsys.readouterr().out


def test_commands_of_the_host_are_listed() -> None:
    found = {}
    for name, module in host.COMMANDS.items():
        parser = importlib.import_module(module)._parser()
        found[name] = {option for action in parser._actions for option in action.option_strings}
    assert found == {name: words(text) for name, text in HOST_COMMANDS.items()}


def test_names_of_the_library_of_migrations_are_listed() -> None:
    assert {*migration.__all__} == MIGRATION
    assert {*vars(migration.Migration)} >= MIGRATION_METHODS


def test_script_of_the_project_is_strongroom() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"strongroom": "console.cli:main"}


def test_targets_and_variables_of_make_are_listed() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) == MAKE_TARGETS
    variables = r"^([A-Z]+) \?=|^ifdef ([A-Z]+)|\$\((ARGS)\)"
    found = {"".join(each) for each in re.findall(variables, text, re.MULTILINE)}
    assert found == MAKE_VARIABLES


def test_marks_of_folders_are_listed() -> None:
    assert {*owned_folder.NAMES} == FOLDER_MARKS
    assert STORE.mark == ".strongroom-store"


def test_exit_codes_are_listed() -> None:
    assert {
        anomalies.FOUND,
        backup.FAULTY,
        status.NOT_RUNNING,
        plan_commands.CHANGES,
        devices.FAULTY,
        verify.FAULTY,
        environments.DIFFERS,
        ledger.OVERDUE,
        iam_policies.DENIED,
        logs.INCOMPLETE,
        migrate.WAITS,
        policies.FAILS,
        policy_check.DIFFERS,
        rollout.STOPPED,
        diagnosis.FAILS,
    } == {CHANGES}
    assert (cli.USAGE_ERROR, host_cli.USAGE_ERROR) == (USAGE, USAGE)


@pytest.mark.parametrize("command", ["plan --wrong", "rotate", "environments wrong", "wrong"])
def test_operator_with_a_wrong_option_exits_64(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exit_code(command, monkeypatch) == USAGE


def test_host_with_a_wrong_option_exits_64() -> None:
    assert host.main(["wrong"]) == USAGE
    with pytest.raises(SystemExit) as caught:
        host.main(["deliver", "--wrong"])
    assert caught.value.code == USAGE


@pytest.mark.parametrize(("changes", "code"), [(0, 0), (1, CHANGES)])
def test_plan_exits_2_if_something_would_change(
    changes: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = OpenPlan(a_plan(changes), cast("Any", None))
    monkeypatch.setattr(plan_commands, "open_plan", lambda *_: nullcontext(opened))
    assert exit_code("plan --env dev", monkeypatch) == code


def test_plan_exits_1_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code("plan --env nowhere", monkeypatch) == 1


def exit_code(command: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `strongroom` with *command* and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["strongroom", *command.split()])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


# What is written for people, dashboards and programs -------------------------------------------

#: Sample → its labels, in order.
METRICS: Final = {
    "strongroom_secret_access_total": "environment secret outcome",
    "strongroom_secret_stale_seconds": "environment secret",
    "strongroom_secret_version": "environment service secret source",
    "strongroom_requests_total": "environment outcome",
    "strongroom_logins_total": "environment outcome",
    "strongroom_renewals_total": "environment outcome",
    "strongroom_unwrappings_total": "environment outcome",
    "strongroom_data_key_checks_total": "environment outcome",
    "strongroom_database_connections_total": "environment outcome",
    "strongroom_orphan_leases_total": "environment outcome",
    "strongroom_rotations_total": "environment kind name",
    "strongroom_lease_expires_timestamp_seconds": "environment holder",
    "strongroom_delivery_live": "environment file",
    "strongroom_delivery_timestamp_seconds": "environment file",
    "strongroom_request_duration_seconds_bucket": "environment le",
    "strongroom_request_duration_seconds_count": "environment",
    "strongroom_request_duration_seconds_sum": "environment",
    "strongroom_server_certificate_expires_timestamp_seconds": "environment server",
    "strongroom_lease_life_seconds_bucket": "environment holder le",
    "strongroom_lease_life_seconds_count": "environment holder",
    "strongroom_lease_life_seconds_sum": "environment holder",
}
#: Sample about the server's audit devices → its labels, in order.
DEVICE_METRICS: Final = {
    "strongroom_audit_device_healthy": "environment file",
    "strongroom_audit_devices_checked_timestamp_seconds": "environment",
    "strongroom_audit_device_free_bytes": "environment file",
    "strongroom_audit_device_size_bytes": "environment file",
    "strongroom_audit_findings": "environment",
}
#: Kind of an entry in the chain of an archive → its keys, in order.
CHAIN: Final = {
    "segment": "format kind sequence previous log rotated sha256 bytes lines first last file_bytes "
    "file_sha256",
    "deletion": "format kind sequence previous time keep_days segments",
}
PROCESS_FIELDS: Final = "time service environment host pid accessor"
#: Kind of record → its fields, in order.
AUDIT_RECORDS: Final = {
    "each": f"{PROCESS_FIELDS} operation secret outcome source version request_id field",
    "aggregate": f"{PROCESS_FIELDS} operation secret outcome source version request_id field count",
    "rest": f"{PROCESS_FIELDS} operation secret outcome count",
}
#: Fields that callers of the audit log add by name. Only `export-env` adds the last three.
AUDIT_DETAILS: Final = words("source version request_id field reason file secrets uid kept_in")
PLAN: Final = words(
    "format environment prune digest changes missing kept absent not_compared summary"
)
PLAN_CHANGE: Final = words("action kind name fields")
PLAN_FIELD: Final = words("field before after")
PLAN_SUMMARY: Final = words("create update delete unchanged")
DIFFERENCES: Final = words("missing policy same unread")
DELIVERY: Final = words("state reason when since attempts staged")
DELIVERY_STATES: Final = words("delivered unchanged refused rolled_back waiting")
UNIT: Final = words("generation state pid since reason digest")
UNIT_STATES: Final = words("starting running waiting blocked failed stopped")
#: Keys of run.json.
RUN: Final = words(
    """
    service environment vault_addr vault_cacert starter_role_id_file starter_secret_id_file
    approle_mount wrap_ttl program agent_config secret_id_file python working_directory deliveries
    generation
    """
)
RUN_DELIVERY: Final = words("template staging live model reload health settle within")


def test_metrics_and_their_labels_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Replace the default registry, because otherwise it would keep and render this recorder.
    monkeypatch.setattr(default_registry, "show", lambda _: None)
    recorder = prometheus.Prometheus("dev")
    recorder.record_access("smtp-password", "hit")
    recorder.record_staleness("smtp-password", 1.0)
    recorder.record_version("gaara-store", "smtp-password", 1)
    recorder.record_ttl("token", 60.0)
    recorder.record_rotation("secret", "smtp-password")
    recorder.record_duration(0.1)
    recorder.record_certificate("vault.example.com:8200", 1.0)
    recorder.record_delivery("app.yaml", 1.0, is_live=True)
    for operation in recorder._operations:
        recorder.record_operation(operation, metrics.OK)
    samples = [sample for metric in recorder.registry.collect() for sample in metric.samples]
    found = {sample.name: " ".join(sample.labels) for sample in samples}
    assert {name: found[name] for name in found if not name.endswith("_created")} == METRICS


def test_metrics_of_audit_devices_are_listed() -> None:
    state = DeviceState(Path("a.log"), exists=True, has_request=True, size=1, free=1)
    text = render_device_metrics(
        Environment.DEV, [state], 1, 0, datetime(2026, 1, 1, tzinfo=UTC)
    ).decode()
    found = {
        sample.name: " ".join(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == DEVICE_METRICS


def test_entries_of_an_archive_have_the_listed_keys() -> None:
    now, nothing = datetime(2026, 1, 1, tzinfo=UTC), "0" * 64
    segment = Segment(1, nothing, "audit-1", now, LogFacts(nothing, 0, 0, None, None))
    deletion = Deletion(2, nothing, now, 90, (1,))
    entries = [json.loads(entry.render()) for entry in (segment, deletion)]
    found = {entry["kind"]: " ".join(entry) for entry in entries}
    assert found == CHAIN
    assert segment.file == "audit-1-20260101T000000.000000Z.jsonl.zst.encrypted"


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_audit_record_has_the_listed_fields(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.state, "recorder", NullRecorder())
    lines: list[str] = []
    log = AuditLog(SCOPE, lines.append, mode=mode, accessor=lambda: "hmac-sha256:0")
    fetched = FetchedSecret(Secret("invented"), "vault", version=3, request_id="1", created_at=1.0)
    entry = build_entry(fetched, 0.0, 1.0, settings.Limits(), jitter=0.5)
    for _ in range(2):
        AccessRecorder(log).release(("smtp-password", 3, "old"), FetchResult(entry, "miss"), None)
    log.close()
    found = [" ".join(json.loads(line)) for line in lines]
    assert found == [AUDIT_RECORDS[mode], AUDIT_RECORDS["each" if mode == "each" else "rest"]]


def test_audit_details_of_all_callers_are_listed() -> None:
    found: set[str | None] = set()
    for folder in VARIABLES:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    record = node.func.attr in {"record", "prepare"}
                    found |= {each.arg for each in node.keywords if record and each.arg}
    assert found == AUDIT_DETAILS


def a_plan(changes: int) -> Plan:
    """Return a plan with that many changes."""
    resource = secrets.SecretMetadata(SCOPE.secret("smtp-password"), {})
    change = Change(Action.CREATE, resource, None, (FieldChange("owner", None, "shop"),))
    return Plan((change,) * changes, 0, ())


def test_plan_as_json_has_the_listed_keys() -> None:
    document = plan_file.document(a_plan(1), Environment.DEV)
    assert {*plan_file.document(a_plan(1), Environment.DEV, service="shop")} - {*document} == {
        "service"
    }
    (widened,) = a_plan(1).changes
    widening = replace(a_plan(1), widening=((widened, "all"),))
    assert {*plan_file.document(widening, Environment.DEV)} - {*document} == {"widen", "widening"}
    (change,) = document["changes"]
    assert (document["format"], set(document), set(change)) == (1, PLAN, PLAN_CHANGE)
    assert (set(document["summary"]), set(change["fields"][0])) == (PLAN_SUMMARY, PLAN_FIELD)


def test_differences_of_environments_have_the_listed_keys() -> None:
    assert {each.name for each in fields(Differences)} == DIFFERENCES


def test_status_of_a_delivery_has_the_listed_keys() -> None:
    assert {each.name for each in fields(delivery_status.Status)} == DELIVERY
    assert set(delivery_status.State) == DELIVERY_STATES
    assert delivery_status.status_file(Path("app.yaml")) == Path("app.yaml.status.json")


def test_versions_of_a_delivered_file_have_the_listed_names() -> None:
    assert versions_line.MARK == "#strongroom-versions"
    assert file_versions.versions_file(Path("app.yaml")) == Path("app.yaml.versions.json")


def test_state_of_a_unit_has_the_listed_keys() -> None:
    assert {each.name for each in fields(unit_state.UnitState)} == UNIT
    assert set(unit_state.RunState) == UNIT_STATES
    assert unit_state.state_file(Path("store")) == Path("store/state.json")


def test_configuration_of_a_unit_has_the_listed_keys() -> None:
    path, starter = Path("p"), settings.Settings(SCOPE, "http://127.0.0.1:1")
    delivery = DeliveredFile(path, path, path, "m:C")
    run = RunSettings(starter, 1, path, path, path, path, path, (delivery,))
    document = json.loads(run.to_json())
    assert set(document) == RUN
    assert set(document["deliveries"][0]) == RUN_DELIVERY
    assert unit_file.RUN_FILE == "run.json"


# What is stored: on the server, on disk, in databases ------------------------------------------

SECRET_METADATA: Final = words("managed_by deployment owner environment rotate_every")
#: Other names in custom metadata: of derived and adopted secrets, and in ownership records.
OTHER_METADATA: Final = words(
    """
    derived_from composed_version root_password password_hmac oidc_client_secret_hmac
    token_reviewer_jwt_hmac managed_format
    """
)
#: Kinds that have ownership records, in a folder of that name.
RECORDED_KINDS: Final = words(
    """
    approle userpass jwt-role kubernetes-role cert-role oidc-role group database-role static-role
    database-connection rate-limit password-policy policy transit-key
    """
)
MOUNTS: Final = ("secret", "transit", "database", "approle", "jwt", "kubernetes", "cert")
JOBS: Final = ("strongroom-plan", "strongroom-apply", "strongroom-rotator", "strongroom-auditor")
#: Names of the service shop-api in dev on the server and in its database.
SERVER_NAMES: Final = {
    SCOPE.secret("smtp/password"): "shop-api/dev/smtp/password",
    SCOPE.key("pii"): "shop-api-dev-pii",
    str(SCOPE): "shop-api-dev",
    SCOPE.database_role("reports"): "shop-api-dev-reports",
    SCOPE.static_role("old_url/main"): "shop-api-dev-old-url-main",
    SCOPE.starter: "shop-api-dev-starter",
    SCOPE.colour("green"): "shop-api-dev-green",
    SCOPE.manager_role: "shop_api_manager",
    SCOPE.owner_role: "shop_api_owner",
    SCOPE.readonly_role: "shop_api_readonly",
    ownership.ownership_path(SCOPE.environment, "approle", "x"): "_strongroom/dev/approle/x",
    server_names.FINGERPRINT_KEY: "strongroom-fingerprint",
    names.VALUE_KEY: "value",
    names.NEXT_KEY: "strongroom_next",
    NEXT: "STRONGROOM-NEXT",
    ANNOUNCED_TAG: "rotation_announces",
    names.TEMPLATE_KEY: "template",
    names.variable_name("smtp/pass-word"): "SMTP_PASS_WORD",
}
#: Property of Layout → its path below `.strongroom`.
LAYOUT: Final = {
    "dev_env": "dev.env",
    "environments": "env",
    "service_env": "env/shop-api-dev.env",
    "runtime": "runtime",
    "format": "format",
    "ports": "ports.json",
    "status_record": "status.json",
    "logs": "logs",
    "run": "run",
    "passwords": "passwords",
    "people": "passwords/people",
    "databases": "passwords/database",
    "administrators": "passwords/administrators",
    "database_passwords": "passwords/database/shop-api-dev",
    "given": "given",
    "vault": "vault",
    "vault_configuration": "vault/server.hcl",
    "vault_data": "vault/data",
    "vault_socket": "vault/api.sock",
    "audit": "vault/audit",
    "audit_logs": "vault/audit/audit-1.log vault/audit/audit-2.log",
    "postgres": "postgres",
    "redis": "redis",
    "aws": "aws",
    "smtp": "smtp",
    "mail": "smtp/mail",
    "mail_accounts": "smtp/accounts",
    "credentials": "credentials",
    "service_credentials": "service-credentials",
    "service_role_id": "service-credentials/shop-api-dev/role-id",
    "service_secret_id": "service-credentials/shop-api-dev/secret-id",
    "agents": "agent",
    "configs": "config",
    "unchecked": "config/unchecked",
    "role_id": "credentials/shop-api-dev/role-id",
    "secret_id": "credentials/shop-api-dev/secret-id",
    "agent": "agent/shop-api-dev",
    "config": "config/shop-api-dev/app.yaml",
    "staged_config": "config/shop-api-dev/staging/app.yaml",
}
#: Table → its columns; `people` is the table of the mapped class below.
TABLES: Final = {
    "data_keys": words("id scope wrapped commitment created version"),
    "index_keys": words("scope index version bits wrapped writes_from"),
    "people": words("id email email_index name name_email_index"),
}


def test_metadata_of_secrets_in_dev_is_listed() -> None:
    declared = load()
    policies = render_policies(declared, Environment.DEV)
    found = desired.desired_resources(declared, Environment.DEV, policies, Inputs())
    secret = [set(each.desired()) for each in found if each.kind == "secret-metadata"]
    assert secret
    assert set[str]().union(*secret) == SECRET_METADATA
    assert secrets.MANAGED_BY == {"managed_by": "strongroom"}


def test_other_metadata_is_listed() -> None:
    entry = ownership.Owner(Environment.DEV).entry("userpass", "ada")
    fingerprints = {
        WriteOnly(entry, None)._metadata_key,
        WriteOnly(entry, None, jwt._SECRET)._metadata_key,
        WriteOnly(entry, None, kubernetes._REVIEWER)._metadata_key,
    }
    found = {secrets._DERIVED_FROM, names.COMPOSED_KEY, database._ROOT, marks.FORMAT_KEY}
    found |= fingerprints
    assert found == OTHER_METADATA
    assert unlisted(PRUNABLE, RECORDED_KINDS) == set()


def test_names_on_the_server_are_listed() -> None:
    assert list(SERVER_NAMES) == list(SERVER_NAMES.values())
    mounts = [value for name, value in vars(names).items() if name.endswith("_MOUNT")]
    assert tuple(mounts) == MOUNTS
    assert server_names.JOBS == JOBS


def test_places_of_a_deployment_are_listed() -> None:
    layout, found = Layout(Path("root")), {}
    for name, member in vars(Layout).items():
        if name.startswith("_") or name in {"create", "root"}:
            continue
        place = getattr(layout, name)
        if inspect.isfunction(member):
            place = place(SCOPE if name == "agent" else str(SCOPE))
        places = place if isinstance(place, tuple) else (place,)
        found[name] = " ".join(str(each.relative_to(layout.root)) for each in places)
    assert found == LAYOUT


def test_columns_of_tables_are_listed() -> None:
    class Base(DeclarativeBase):
        pass

    class Person(EncryptedRow, Base):
        __tablename__ = "people"

        id: Mapped[UUID] = mapped_column(primary_key=True)
        email = Encrypted("people.email", index=Index(1_000_000))
        name = Encrypted("people.name")
        name_email = CompoundIndex("people.name_email", ("name", "email"), rows=1_000_000)

    metadata = MetaData()
    tables = [*Base.metadata.sorted_tables, data_keys_table(metadata), index_keys_table(metadata)]
    assert {table.name: set(table.columns.keys()) for table in tables} == TABLES


def test_rows_of_a_file_of_data_keys_have_the_columns_of_the_table() -> None:
    row = key_file._row(WrappedKey(1, "shop/dev/pii", b"w", b"c", datetime.now(tz=UTC), 1))
    assert set(row) == TABLES["data_keys"]


# Bytes of tokens -------------------------------------------------------------------------------

#: Type of a value → its code in tokens.
TYPE_CODES: Final = {
    "str": 1,
    "Secret": 1,
    "bytes": 2,
    "int": 3,
    "bool": 4,
    "UUID": 5,
    "Decimal": 6,
    "date": 7,
    "datetime": 8,
    "dict": 9,
    "list": 9,
}
CONTEXT_CODES: Final = {"str": 1, "bytes": 2, "int": 3, "bool": 4, "UUID": 5}
PREFIXES: Final = {"sr2.": 2, "sr3.": 3}
PURPOSES: Final = {2: b"strongroom data key v2", 3: b"strongroom data key v3"}
#: A text token's version and label, and the sizes of commitment, nonce, tag and data key in bytes.
TEXT_TOKEN: Final = (3, b"strongroom field", 32, 12, 16, 32)
#: A keyring token's suite, and the bytes of the header, up to the nonce's end, and without payload.
KEYRING_TOKEN: Final = (1, 5, 17, 33)
#: SHA-256 of the merged vectors.
VECTORS: Final = """
    94d5c8d5d637d4bae02c09457524cd7fce31aa8b5a624d409e492352a0958be3 blind-index-v1.json
    bdee337a6a0eae86d7a887f82a38dace130c6f2529836d27a5b94df716107a4c envelope-v2.json
    dad9bdc04d3bc0d96270bf45b441b32c5129e541aa28a0c13ca79e7521910084 envelope-v3.json
    f4b50dd97b2b00a8f1ec189e40deba4ee69c4c8f42162d7f442bfbde97edb8c9 file-v1
    ad364a230c2b79269ee303a63e62987a52b278de03397d23af56017109dbe203 keyring-v1.json
    ffdc45f934332175cb2f00da629e7d3ee4ec1dcc025351ec8c05508efad3c91b normalisers.json
    582b4543f183a5e834922f2b37f850ff0956c0c648db3cb351effacd841eb6cf values.json
    ecf81e2b608a6f3d97dde2cdf46e303e1f0c6697ff5ea9af144b2030ce81802e wrapped-keys.json
    fa461262f0349be224f23e7361784bbf8931b80fd7f28b49b59e6cf09d5a90c5 wycheproof-aes-256-gcm.json
"""


def test_type_codes_are_listed() -> None:
    assert {kind.__name__: code for kind, (code, _) in codec.ENCODERS.items()} == TYPE_CODES
    assert set(codec.DECODERS) == set(TYPE_CODES.values())
    kinds = encryption_context.KINDS.items()
    assert {kind.__name__: entry[0] for kind, entry in kinds} == CONTEXT_CODES


def test_bytes_of_text_tokens_are_listed() -> None:
    sizes = (envelope.COMMITMENT, envelope.NONCE, envelope.TAG, data_key.SIZE)
    assert (envelope.VERSION, envelope.LABEL, *sizes) == TEXT_TOKEN
    assert (envelope._PREFIXES, data_key.TEXT_PURPOSES) == (PREFIXES, PURPOSES)


def test_bytes_of_keyring_tokens_are_listed() -> None:
    token = keyring_token
    assert (token.SUITE, token.HEADER, token.NONCE_END, token.OVERHEAD) == KEYRING_TOKEN
    assert token.header(9, 7) == bytes.fromhex("8100000007")
    assert data_key.keyring_purpose(7) == b"strongroom keyring v1\0\0\0\x07"


def test_bytes_of_blind_indexes_are_listed() -> None:
    assert hash_label("a.b", 2) == b"strongroom index\x02\x03a.b"
    assert set(NORMALISERS) == words("exact casefold email digits")


def test_scopes_of_wrapped_keys_are_listed() -> None:
    found = wrap_scope(SCOPE, "pii")
    bound = {"service": "shop-api", "environment": "dev"}
    expected = encryption_context.encode({**bound, "use": "data key", "key": "pii"})
    assert (found.bound, found.text) == (expected, "shop-api/dev/pii")
    assert key_context.owner(SCOPE) == "shop-api/dev"
    row = IndexKey("shop-api/dev", "users.email", 2, 19, b"", datetime(2026, 1, 2, tzinfo=UTC))
    first = {**bound, "use": "index key", "index": "users.email", "version": 2}
    assert key_context.identify(SCOPE, row) == first
    assert key_context.bind(SCOPE, row, (1, 2)) == {
        **first,
        "bits": 19,
        "writes_from": 1_767_312_000,
        "live": "1,2",
    }


def test_vectors_are_unchanged() -> None:
    files = sorted((ROOT / "tests" / "vectors").iterdir())
    found = [f"{_digest(file)} {file.name}" for file in files]
    assert " ".join(found).split() == VECTORS.split()


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the lines of `sha256sum *` in a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = (f"{_digest(file)}  {file.name}\n" for file in sorted(path.iterdir()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# The SDK's names -------------------------------------------------------------------------------

#: Public function → its parameters. Those after `*` are keyword-only, those with `=` optional.
PUBLIC_API: Final = {
    "acurrent_and_previous": "name, *, grace=",
    "adecrypt_field": "token, *, context=, key=",
    "aencrypt_field": "value, *, context=, key=",
    "aget_secret": "name, **options",
    "arequire": "names",
    "async_database_engine": "role=, *, url=, secret=, credentials=, **options",
    "async_database_pool": "role=, *, url=, secret=, credentials=, **options",
    "async_redis_client": "role=, *, url=, secret=, credentials=, **options",
    "averification_keys": "name, *, grace=",
    "blind_index": "name, *values",
    "close": "",
    "current_and_previous": "name, *, grace=",
    "database_engine": "role=, *, url=, secret=, credentials=, **options",
    "database_pool": "role=, *, url=, secret=, credentials=, **options",
    "declare_index": "name, **options",
    "decrypt_field": "token, *, context=, key=",
    "decrypt_file": "source, target, *, context=, identity=",
    "encrypt_field": "value, *, context=, key=",
    "encrypt_file": "source, target, *, context=, key=, recipients=",
    "encrypted_log_handler": "folder, *, log=, key=, **options",
    "field": "field_id, context=, kind=, *, key=",
    "get_secret": "name, *, force_refresh=, default=, version=, field=, as_type=",
    "get_secret_info": "name",
    "hvac_client": "*, timeout=",
    "load_config": "model, path=",
    "on_change": "name, callback",
    "open_encrypted": "path, mode=, **options",
    "redis_client": "role=, *, url=, secret=, credentials=, **options",
    "require": "names",
    "transit": "key=",
    "use_data_keys": "store",
    "use_index_keys": "store",
    "verification_keys": "name, *, grace=",
    "watch_config": "model, path=, on_change=",
}
PUBLIC_API_OTHERS: Final = words("Secret errors redaction")
#: Other functions and classes below `app_integration` → their parameters, as above.
SIGNATURES: Final = {
    "config:ConfigFile": "model, path=, *, clock=",
    "default_client:configure": "settings, *, session=, clock=",
    "encryption.blind_index.registry:BlindIndexes.index": (
        "self, name, *, rows, distinct=, normalise=, low_entropy="
    ),
    "encryption.blind_index.stores.table:TableIndexKeys": "engine, name=",
    "encryption.keys.stores.table:TableDataKeys": "engine, name=",
    "integrations.celery:use_leased_redis": (
        "app, role=, *, url=, secret=, credentials=, results="
    ),
    "integrations.django.fields:BlindIndexField": "name, *, of, **options",
    "integrations.django.fields:EncryptedField": (
        "field_id, kind=, *, context=, index=, key=, plaintext=, phase=, self_contained=, **options"
    ),
    "integrations.django.service:init": "model, path=",
    "integrations.django.service:metrics": "request",
    "integrations.fastapi:init": "app, model, path=",
    "integrations.fastapi:serve_metrics": "app",
    "integrations.flask:init": "app, model, path=",
    "integrations.flask:serve_metrics": "app",
    "integrations.pydantic_settings:FromStrongroom": "name=, version=, field=",
    "integrations.pydantic_settings:StrongroomSource": (
        "settings_cls, get=, *, env_prefix=, env_nested_delimiter=, env_ignore_empty=, "
        "env_parse_none_str=, env_parse_enums="
    ),
    "integrations.sqlalchemy:CompoundIndex": (
        "name, of, *, rows, distinct=, normalise=, low_entropy="
    ),
    "integrations.sqlalchemy:Encrypted": (
        "field, kind=, *, context=, index=, nullable=, key=, column=, plaintext=, self_contained="
    ),
    "integrations.sqlalchemy:Index": "rows, distinct=, normalise=, low_entropy=, column=",
    "integrations.sqlalchemy:Plaintext": "column, phase, type=",
    "integrations.sqlalchemy:find": "session, attribute, value",
    "integrations.sqlalchemy:reserve_keys": "session, owner, count",
    "redaction:install": "register=",
    "redaction:scrub_record": "record, register=",
    "redaction:scrubbed": "value, register=, *, depth=",
    "settings:from_environment": "variables=",
}
#: Class → its fields, which an application sets by name.
FIELDS: Final = {
    settings.Auth: "method mount jwt_file token_file certificate",
    settings.Limits: """
        deadline connect_timeout retry_window retry_base retry_max cache_ttl stale_limit
        cache_entries negative_ttl negative_entries fetch_threads login_retry_base login_retry_max
        renew_at lease_rotate_at data_key_messages data_key_bytes data_key_age data_key_cache
        branch_key_age index_refresh batch_items aws_threads
        """,
    settings.Settings: """
        scope vault_addr extra_addresses vault_namespace vault_cacert database_url redis_url
        role_id_file secret_id_file
        auth mounts config_file audit_mode audit_file audit_key audit_device metrics_token_file
        dotenv_file
        data_keys backend aws_region aws_replicas secret_arns kms_keys
        sources emf_interval declaration ttls limits
        """,
}
#: Module below `app_integration` → the names that documents, examples and users import from it.
#: These are all its public names, except in the modules of PARTLY.
IMPORTS: Final = {
    "config": "ConfigFile",
    "config.deliver": "State status_file",
    "config.loader": "ConfigFile",
    "encryption.blind_index.stores.table": "TableIndexKeys index_keys_table",
    "encryption.keys.stores.table": "TableDataKeys data_keys_table",
    "errors": """
        AccessDenied AuditFailed AuthenticationFailed BatchFailed ConfigRejected ConfigurationError
        CredentialStolen DeadlineExceeded DecryptionFailed EncryptionError IndexKeyLost
        InvalidContext InvalidName KeyUnavailable RateLimited RequestRefused Sealed SecretDeleted
        SecretError SecretNotFound SecretsMissing ServerError ServerFault StrongroomError
        UnexpectedAnswer
        UndeclaredSecret Unreachable WrongType
        """,
    "integrations.celery": "use_leased_redis",
    "integrations.django": """
        BlindIndexField EncryptedField EncryptedModel EncryptedQuerySet Stored create_index_keys
        exactly find
        """,
    "integrations.django.postgresql.base": "DatabaseWrapper",
    "integrations.django.redis_cache": "LeasedRedisCache",
    "integrations.django.service": "ScrubbingReporter init metrics",
    "integrations.fastapi": "init serve_metrics",
    "integrations.flask": "init serve_metrics",
    "integrations.pydantic_settings": "FromStrongroom StrongroomSource",
    "integrations.sqlalchemy": """
        CompoundIndex Encrypted EncryptedRow Index Plaintext column_values create_index_keys exactly
        find is_indexed_now renew reserve_keys
        """,
    "integrations.sqlalchemy.alembic": "render_item",
    "redaction": "SecretRegistry install live scrub_record scrubbed sentry_options uninstall",
    "settings": "Auth Limits Settings from_environment read_scope",
    "testing": "Application Clock Fault MemoryApplication MemoryVault Seen",
    "transport.http": "Transport",
}
#: Modules of IMPORTS with other public names, which are not listed.
PARTLY: Final = words("config.deliver config.loader transport.http")
#: Names in modules of IMPORTS that only the SDK itself uses.
HELPERS: Final = words("raise_decryption_failed")
#: Fixtures of the plugin, and its hooks, which pytest calls by these names.
FIXTURES: Final = words(
    "vault real_vault real_vault_server pytest_assertrepr_compare pytest_sessionfinish"
)


STARS: Final[dict[object, str]] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def parameters(function: Callable[..., object]) -> str:
    """Return the names of the parameters of *function*, in the format of PUBLIC_API."""
    found: list[str] = []
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.KEYWORD_ONLY and not any(part.startswith("*") for part in found):
            found.append("*")
        default = "" if each.default is each.empty else "="
        found.append(f"{STARS.get(each.kind, '')}{each.name}{default}")
    return ", ".join(found)


def public(module: Any) -> set[str]:
    """Return the names in `__all__` of *module*, or the public names that it defines."""
    declared: Iterable[str] | None = getattr(module, "__all__", None)
    if declared is not None:
        return set(declared)
    defined = (name for name, value in vars(module).items() if _is_defined_in(module, value))
    return {name for name in defined if not name.startswith("_")}


def _is_defined_in(module: Any, value: object) -> bool:
    return callable(value) and getattr(value, "__module__", "") == module.__name__


def test_names_of_the_public_api_are_listed() -> None:
    assert set(app_integration.__all__) == PUBLIC_API.keys() | PUBLIC_API_OTHERS


@pytest.mark.parametrize("name", PUBLIC_API)
def test_parameters_of_the_public_api_are_listed(name: str) -> None:
    assert parameters(getattr(app_integration, name)) == PUBLIC_API[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_of_a_public_name_are_listed(name: str) -> None:
    assert parameters(pkgutil.resolve_name(f"app_integration.{name}")) == SIGNATURES[name]


@pytest.mark.parametrize("owner", FIELDS)
def test_fields_of_settings_are_listed(owner: type[Any]) -> None:
    assert {each.name for each in fields(owner)} == words(FIELDS[owner])


@pytest.mark.parametrize("name", IMPORTS)
def test_names_of_a_public_module_are_listed(name: str) -> None:
    module = importlib.import_module(f"app_integration.{name}")
    found = public(module) - HELPERS
    if name in PARTLY:
        found = {each for each in words(IMPORTS[name]) if hasattr(module, each)}
    assert found == words(IMPORTS[name])


def test_imports_of_documents_and_examples_are_listed() -> None:
    documents = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    missing = []
    for module, imported in re.findall(r"from app_integration\.([\w.]+) import ([\w, ]+)", text):
        listed = words(IMPORTS.get(module, ""))
        missing += [f"{module}.{name}" for name in imported.split(", ") if name not in listed]
    assert missing == []


def test_each_public_name_is_in_the_reference() -> None:
    pages = "".join(
        (ROOT / f"docs/reference/{name}.md").read_text() for name in ("SDK", "SDK_Modules")
    )
    found = set(re.findall(r"^::: app_integration\.([\w.]+)$", pages, re.MULTILINE))
    for module, members in re.findall(
        r"::: app_integration\.(\S+)\n.*\n +members: \[(.*)\]", pages
    ):
        found |= {f"{module}.{name}" for name in members.split(", ")}
    expected = {*app_integration.__all__} - {"errors", "redaction"}
    expected |= {f"{module}.{name}" for module in IMPORTS for name in words(IMPORTS[module])}
    missing = {name for name in expected - found if name.rpartition(".")[0] not in found}
    # The one is in another module, too; of the other, only the name is relied on.
    assert missing == {"config.loader.ConfigFile", "transport.http.Transport"}


def test_entry_point_and_fixtures_of_the_pytest_plugin_are_listed() -> None:
    project = tomllib.loads((ROOT / "app_integration/pyproject.toml").read_text(encoding="utf-8"))
    entries = project["project"]["entry-points"]
    assert entries == {"pytest11": {"strongroom": "app_integration.testing.plugin"}}
    assert (
        public(plugin)
        | {name for name, value in vars(plugin).items() if "Fixture" in type(value).__name__}
        == FIXTURES
    )
