"""What `make vault-up` ends with: each thing just performed, not claimed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text

from app_integration.secret import REDACTED
from app_integration.wiring import Wiring
from console.local import Local
from console.local_agent import LocalAgent
from vault.reconcile.plan import FieldChange, Plan
from vault.runtime.runtime import Status

SAMPLE: Final = "ada@example.com"
SAMPLE_CONTEXT: Final = {"user_id": 7}
BOTH: Final = 2  # a key that may encrypt and decrypt


def show_deployment(console: Console, local: Local) -> None:
    """Addresses, logins, the delivered config, and one use of each feature."""
    wiring = Wiring(local.service_settings())
    try:
        console.print()
        _addresses(console, local)
        if local.agent:
            _config(console, local, local.agent)
        _performed(console, local, wiring)
    finally:
        wiring.close()
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


def show_plan(console: Console, plan: Plan) -> None:
    """Each change with its fields, then a summary. Secret values are not in a plan."""
    for change in plan.changes:
        sign, colour = ("+", "green") if change.before is None else ("~", "yellow")
        console.print(
            f"[{colour}]{sign} {change.resource.kind} {escape(change.resource.name)}[/]",
            highlight=False,
        )
        for field in change.fields if change.before is not None else ():
            for line in _difference(field):
                console.print(f"    {escape(line)}", highlight=False)
    for name in plan.missing:
        console.print(
            f"[red]! secret {escape(name)} has no value: give it one with --given[/]",
            highlight=False,
        )
    creates = sum(change.before is None for change in plan.changes)
    console.print(
        f"Plan: {creates} to create, {len(plan.changes) - creates} to change, "
        f"{plan.unchanged} as declared, {len(plan.missing)} without a value.",
        highlight=False,
    )


def _difference(field: FieldChange) -> list[str]:
    """Old and new on one line; of a text with several lines, those that differ."""
    texts = [str(field.before), str(field.after)]
    if all("\n" not in text for text in texts):
        return [f"{field.field}: {field.before!r} → {field.after!r}"]
    old, new = (text.splitlines() for text in texts)
    lines = list(difflib.unified_diff(old, new, lineterm="", n=1))
    return [f"{field.field}:", *(f"  {line}" for line in lines[2:])]


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


def _performed(console: Console, local: Local, wiring: Wiring) -> None:
    """One use of each feature that the service declares."""
    lines = []
    if name := _shown_secret(local):
        secret, info = wiring.secrets.get(name), wiring.secrets.info(name)
        lines.append(f"get_secret({name!r})  →  {secret}  (version {info and info.version})")
    service = local.declaration.service(local.scope.service)
    for key in [key for key, spec in service.keys.items() if len(spec.allow) == BOTH][:1]:
        token = wiring.cipher(key).encrypt_field(SAMPLE, SAMPLE_CONTEXT)
        opened = wiring.cipher(key).decrypt_field(token, SAMPLE_CONTEXT)
        lines.append(f"encrypt_field({SAMPLE!r}, context={SAMPLE_CONTEXT})  →  {str(token)[:32]}…")
        lines.append(f"decrypt_field(…)  →  {opened!r}")
    if service.database:
        with wiring.engine(None, None).connect() as connection:
            user = connection.execute(
                text("SELECT session_user || ' as ' || current_user")
            ).scalar()
        lines.append(f"database_engine().connect()  →  logged in to PostgreSQL: {user}")
    console.print()
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _shown_secret(local: Local) -> str | None:
    """The first secret that was generated, or else the first of all."""
    declared = local.declaration.secrets(local.scope)
    made = [name for name, source in declared.items() if source.source == "generated"]
    return next(iter([*made, *declared]), None)
