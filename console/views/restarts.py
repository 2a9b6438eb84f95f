"""Processes that must restart to have a new value, as the declaration and access records tell."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from app_integration.errors import StrongroomError
from app_integration.names import Environment, Scope
from vault.declare.declaration import Declaration
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record

#: Way in which an application is told of a delivered config → what it does with it.
_RELOADS = {
    "none": "a process that has loaded it has the new value with watch_config or ConfigFile, and "
    "else when it restarts",
    "restart": "and the application restarted",
}
_REMEDY = (
    "get_secret at each use, on_change for what is built from a value, and for a program without "
    "the SDK run --restart-on-change, need no restart by hand"
)


class Kept(NamedTuple):
    """Place in a process of this machine, which has a secret's value until the process ends."""

    pid: int
    place: str


def describe_restarts(
    declaration: Declaration, scope: Scope, name: str, changed: datetime, records: Path | None
) -> list[str]:
    """Return lines on who has the value from before *changed*, and what needs no restart.

    *records* is the file of access records, or None if the processes are on other machines.
    """
    lines = [*_describe_config(declaration, scope, name, is_local=records is not None)]
    found: list[Kept] = []
    if records is not None:
        kept = find_kept(_read_lines(records), scope, name, socket.gethostname())
        found = [*_running(kept, changed)]
    for pid, place in found:
        lines.append(f"restart: process {pid} has the old value of {name} in {place}")
    if not found:
        lines.append(
            "restart: a process that read it into settings or a variable, such as at import, has "
            "the old value until then"
        )
    return [*lines, _REMEDY]


def describe_rotation(
    declaration: Declaration,
    environment: Environment,
    item: Item,
    record: Record,
    records: Path | None,
) -> list[str]:
    """Return the same lines for a rotation whose new value is in use, none if nothing reads it."""
    is_read = item.kind in {Kind.SECRET, Kind.USER_PAIR} and item.service is not None
    if not is_read or record.promoted is None or record.is_undone:
        return []
    scope = Scope(item.service or "", environment)
    return describe_restarts(declaration, scope, item.name, record.promoted, records)


def find_kept(records: Iterable[str], scope: Scope, name: str, host: str) -> dict[Kept, datetime]:
    """Return where processes of *host* keep the value of a secret, and since when.

    A place that was filled more than once is left out, because it will be filled again.
    """
    found, counts = dict[Kept, datetime](), Counter[Kept]()
    of_secret = (scope.service, str(scope.environment), name, host)
    for line in records:
        if '"operation":"keep"' not in line:
            continue
        with suppress(ValueError, KeyError):  # of a line that was cut
            record = json.loads(line)
            keys = ("service", "environment", "secret", "host")
            if tuple(record[key] for key in keys) == of_secret:
                kept = Kept(record["pid"], record["kept_in"])
                found[kept] = datetime.fromisoformat(record["time"])
                counts[kept] += 1
    return {kept: since for kept, since in found.items() if counts[kept] == 1}


def _running(found: dict[Kept, datetime], changed: datetime) -> Iterator[Kept]:
    """Yield what processes have kept since before *changed* that still run."""
    import psutil  # noqa: PLC0415 (it takes long, and most runs need none)

    for kept, since in found.items():
        with suppress(psutil.Error):
            # Another process may have the number of one that has ended.
            if psutil.Process(kept.pid).create_time() <= since.timestamp() and since < changed:
                yield kept


def _read_lines(file: Path) -> Iterator[str]:
    """Yield the lines that can be read: the value is changed already, and nothing may fail now."""
    with suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
        yield from lines


def _describe_config(
    declaration: Declaration, scope: Scope, name: str, *, is_local: bool
) -> Iterator[str]:
    """Yield a line on the delivered config, if it has the secret."""
    from agent.compiler.template_compiler import compile_declared  # noqa: PLC0415 (loads jinja2)

    config = declaration.service(scope.service).config
    if config is None:
        return
    with suppress(StrongroomError):  # of a template, which check reports
        needs = compile_declared(declaration, scope, config).needs
        if any(need.path.endswith(f"/{scope.secret(name)}") for need in needs):
            # The supervisor of a local deployment has no process to restart or to signal.
            way = "none" if is_local and "://" not in config.reload else config.reload
            reload = _RELOADS.get(way, f"and {way} notifies the application")
            yield f"{config.file} of {scope.service} is delivered again: {reload}"
