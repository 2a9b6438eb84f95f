"""What `make vault-up` ends with: each thing just performed, not claimed."""

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
from console.local import Local
from console.local_agent import Delivered, LocalAgent
from vault.runtime.runtime import Status

SAMPLE: Final = "ada@example.com"
SAMPLE_CONTEXT: Final = {"user_id": 7}
BOTH: Final = 2  # a key that may encrypt and decrypt


def show_deployment(console: Console, local: Local) -> None:
    """Addresses, logins, the delivered config, and one use of each feature."""
    client = Client(local.service_settings())
    try:
        console.print()
        _addresses(console, local)
        if local.agent:
            _config(console, local, local.agent)
        _performed(console, local, client)
    finally:
        client.close()
    console.print(
        f"\nUse it from any shell:\n  set -a; . {local.layout.dev_env}; set +a\n"
        "  .venv/bin/python -c 'from app_integration import get_secret; "
        f'print(get_secret("{_shown_secret(local)}"))\'',
        highlight=False,
        soft_wrap=True,
    )


def show_status(console: Console, statuses: tuple[Status, ...]) -> None:
    """One line a process."""
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "port", "pid", "since"):
        table.add_column(heading)
    for status in statuses:
        state = "[green]running[/]" if status.running else "[red]not running[/]"
        since = f"{status.since:%Y-%m-%d %H:%M:%S}" if status.since else ""
        port = str(status.port) if status.port else ""
        table.add_row(status.title, state, port, str(status.pid or ""), since)
    console.print(table)


def show_delivery(console: Console, delivered: Delivered) -> None:
    """What is in use and since when, and what waits or was refused, since when and why."""
    table = Table(box=None, pad_edge=False)
    for heading in ("file", "in use since", "last rendered", "since", "tries"):
        table.add_column(heading)
    last = delivered.last
    told: list[str] = []
    if last is not None:
        told = [last.state, _local(datetime.fromisoformat(last.since)), str(last.attempts)]
    table.add_row(delivered.live.name, _local(delivered.since), *told)
    console.print(table)
    if last is not None and last.reason is not None:
        console.print(f"{delivered.live.name}: {last.reason}", markup=False, soft_wrap=True)


def _local(when: datetime | None) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""


def _addresses(console: Console, local: Local) -> None:
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


def _config(console: Console, local: Local, agent: LocalAgent) -> None:
    live = local.layout.config(local.scope.service)
    document = yaml.safe_load(live.read_text(encoding="utf-8"))
    preview = yaml.safe_load(agent.compiled().preview)
    console.print(f"\nDelivered: {live}", highlight=False, soft_wrap=True)
    shown = yaml.safe_dump(_redacted(document, preview), sort_keys=False)
    console.print(escape(shown.rstrip()), highlight=False)


def _redacted(value: Any, preview: Any) -> Any:
    """*value* with ``[REDACTED]`` wherever the template's preview has something else."""
    if isinstance(value, Mapping) and isinstance(preview, Mapping):
        return {key: _redacted(item, preview.get(key)) for key, item in value.items()}
    return value if value == preview else REDACTED


def _performed(console: Console, local: Local, client: Client) -> None:
    """One use of each feature that the service declares."""
    lines = []
    if name := _shown_secret(local):
        secret, info = client.secrets.get(name), client.secrets.info(name)
        lines.append(f"get_secret({name!r})  →  {secret}  (version {info and info.version})")
    service = local.declaration.service(local.scope.service)
    for key in [key for key, spec in service.keys.items() if len(spec.allow) == BOTH][:1]:
        token = client.cipher(key).encrypt_field(SAMPLE, SAMPLE_CONTEXT)
        opened = client.cipher(key).decrypt_field(token, SAMPLE_CONTEXT)
        lines.append(f"encrypt_field({SAMPLE!r}, context={SAMPLE_CONTEXT})  →  {str(token)[:32]}…")
        lines.append(f"decrypt_field(…)  →  {opened!r}")
    if service.database:
        lines.append(f"database_engine().connect()  →  {_database_user(client)}")
    console.print()
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _database_user(client: Client) -> str:
    """Whom one connection is logged in as; the address is that of the secret ``database-url``."""
    who = text("SELECT session_user || ' as ' || current_user")
    try:
        with client.engine(None, None).connect() as connection:
            return f"logged in to PostgreSQL: {connection.execute(who).scalar()}"
    except SQLAlchemyError:
        return (
            "no connection; database-url may name another address than this deployment's: "
            "write it again with strongroom put"
        )


def _shown_secret(local: Local) -> str | None:
    """The first secret that was generated, or else the first of all."""
    declared = local.declaration.secrets(local.scope)
    made = [name for name, source in declared.items() if source.source == "generated"]
    return next(iter([*made, *declared]), None)
