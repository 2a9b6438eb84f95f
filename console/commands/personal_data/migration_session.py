"""Access of the command ``migrate`` to the database and the keys of a service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from console.target.service_client import open_service_client
from console.target.target import Target
from console.views.questions import has_terminal
from migration import Migration
from migration import plan as plans
from migration.pace import DEFAULT_DUTY
from migration.service_context import open_context

_MEGABYTE: Final = 1_000_000


@contextmanager
def open_migration(
    file: Path,
    target: Target,
    role: str | None,
    free: int | None = None,
    duty: float = DEFAULT_DUTY,
) -> Iterator[Migration]:
    """Open the migration in *file*.

    *free* are megabytes at the database, or None to measure them; *duty* is the share of its time
    that a worker works.
    """
    plan = plans.read(file, target.checkout.find_declaration())
    room = _find_free(target, plan.service) if free is None else free * _MEGABYTE
    with (
        open_service_client(target, plan.service) as client,
        open_context(plan, client, role, duty=duty, free=room, ask_free=_ask_free) as context,
    ):
        yield Migration(context)


def _find_free(target: Target, service: str) -> int | None:
    """Return the bytes that are free at the local deployment's PostgreSQL, or None elsewhere.

    A leased user may not ask PostgreSQL for its folder. In containers it is none of this machine.
    """
    if not target.is_local or not (data := target.layout.postgres / "data").is_dir():
        return None
    is_own = target.local_deployment().service(service).access.own_server is not None
    return None if is_own else shutil.disk_usage(data).free


def _ask_free() -> int | None:
    if not has_terminal():
        return None
    text = "Megabytes that are free where the database keeps its files, which it does not say"
    megabytes: int = typer.prompt(text, type=int)
    return megabytes * _MEGABYTE
