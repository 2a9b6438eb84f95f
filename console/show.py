"""Output of ``up`` and ``status``. ``up`` shows results of calls that it makes at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app_integration.client import Client
from app_integration.secret import REDACTED
from console.local import LocalDeployment
from console.local_agent import ConfigState, LocalAgent
from vault.runtime.runtime import Status

SAMPLE: Final = "ada@example.com"
SAMPLE_CONTEXT: Final = {"user_id": 7}
BOTH: Final = 2  # operations of a key that is allowed to encrypt and to decrypt


def show_deployment(console: Console, local: LocalDeployment) -> None:
    """Print addresses, logins, the delivered config, and one use of each feature.

    Args:
        console: Console to print on.
        local: The running deployment.

    """
    client = Client(local.service_settings())
    try:
        console.print()
        _addresses(console, local)
        if local.agent:
            _config(console, local, local.agent)
        _features(console, local, client)
    finally:
        client.close()
    console.print(
        f"\nUse it from any shell:\n  set -a; . {local.layout.dev_env}; set +a\n"
        "  .venv/bin/python -c 'from app_integration import get_secret; "
        f'print(get_secret("{_sample_secret(local)}"))\'',
        highlight=False,
        soft_wrap=True,
    )


def show_status(console: Console, statuses: tuple[Status, ...]) -> None:
    """Print one line for each part of the deployment.

    Args:
        console: Console to print on.
        statuses: States of the parts.

    """
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "port", "pid", "since"):
        table.add_column(heading)
    for status in statuses:
        state = "[green]running[/]" if status.running else "[red]not running[/]"
        since = f"{status.since:%Y-%m-%d %H:%M:%S}" if status.since else ""
        port = str(status.port) if status.port else ""
        table.add_row(status.title, state, port, str(status.pid or ""), since)
    console.print(table)


def show_config_state(console: Console, config: ConfigState) -> None:
    """Print since when the config file is in use, and the state of the last delivery.

    The state has its time and the number of attempts. If the rendered file waits or was rejected,
    the reason is printed too.

    Args:
        console: Console to print on.
        config: State of the file.

    """
    table = Table(box=None, pad_edge=False)
    for heading in ("file", "in use since", "last rendered", "since", "tries"):
        table.add_column(heading)
    last = config.last
    columns: list[str] = []
    if last is not None:
        since = _local_time(datetime.fromisoformat(last.since))
        columns = [last.state, since, str(last.attempts)]
    table.add_row(config.live.name, _local_time(config.since), *columns)
    console.print(table)
    if last is not None and last.reason is not None:
        console.print(f"{config.live.name}: {last.reason}", markup=False, soft_wrap=True)


def _local_time(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""


def _addresses(console: Console, local: LocalDeployment) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("Vault API, web page", f"{local.access.vault_address}/ui/")
    for person in local.declaration.environment(local.scope.environment).people:
        table.add_row("log in as", f"{person}, method Username")
        table.add_row("password in", str(local.person_password(person)))
    for status in local.status():
        if status.port:
            table.add_row(status.title, f"127.0.0.1:{status.port}")
    if local.layout.audit_logs[0].exists():
        table.add_row("audit logs", str(local.layout.audit))
    console.print(table, highlight=False, soft_wrap=True)


def _config(console: Console, local: LocalDeployment, agent: LocalAgent) -> None:
    live = local.layout.config(local.scope.service)
    document = yaml.safe_load(live.read_text(encoding="utf-8"))
    preview = yaml.safe_load(agent.compile_template().preview)
    console.print(f"\nDelivered: {live}", highlight=False, soft_wrap=True)
    redacted = yaml.safe_dump(_redact(document, preview), sort_keys=False)
    console.print(escape(redacted.rstrip()), highlight=False)


def _redact(value: Any, preview: Any) -> Any:
    """Return *value* with ``[REDACTED]`` wherever it differs from the template's preview.

    The preview has placeholders instead of secrets.
    """
    if isinstance(value, Mapping) and isinstance(preview, Mapping):
        return {key: _redact(item, preview.get(key)) for key, item in value.items()}
    return value if value == preview else REDACTED


def _features(console: Console, local: LocalDeployment, client: Client) -> None:
    """Use each feature that the service declares once, and print the results."""
    lines = []
    if name := _sample_secret(local):
        secret, info = client.secrets.get(name), client.secrets.get_info(name)
        lines.append(f"get_secret({name!r})  →  {secret}  (version {info and info.version})")
    service = local.declaration.service(local.scope.service)
    for key in [key for key, spec in service.keys.items() if len(spec.allow) == BOTH][:1]:
        token = client.cipher(key).encrypt_field(SAMPLE, SAMPLE_CONTEXT)
        decrypted = client.cipher(key).decrypt_field(token, SAMPLE_CONTEXT)
        lines.append(f"encrypt_field({SAMPLE!r}, context={SAMPLE_CONTEXT})  →  {str(token)[:32]}…")
        lines.append(f"decrypt_field(…)  →  {decrypted!r}")
    if service.database:
        lines.append(f"database_engine().connect()  →  {_database_user(client)}")
    console.print()
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _database_user(client: Client) -> str:
    """Return the user of a connection to the address in ``database-url``, or why there is none."""
    query = text("SELECT session_user || ' as ' || current_user")
    try:
        with client.database_engine(None, None).connect() as connection:
            return f"logged in to PostgreSQL: {connection.execute(query).scalar()}"
    except SQLAlchemyError:
        return (
            "no connection; database-url may contain another address than this deployment's: "
            "write it again with strongroom put"
        )


def _sample_secret(local: LocalDeployment) -> str | None:
    """Return the name of the first generated secret, or else of the first secret."""
    declared = local.declaration.secrets(local.scope)
    generated = [name for name, source in declared.items() if source.source == "generated"]
    return next(iter([*generated, *declared]), None)
