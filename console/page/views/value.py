"""View of one value: its state, its due date, and the command that rotates it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response

from console.page.page_request import Link, PageRequest
from console.page.urls import build_url
from console.page.views.due import find_due
from console.page.views.values import JOBS, ValueRow, build_value_row
from vault.rotation.inventory import Item, Kind
from vault.rotation.ledger.ledger import Row


@dataclass(frozen=True, slots=True)
class Value:
    """What the view shows.

    Attributes:
        rows: Its row, or one for each secret-id of an AppRole.
        command: The command that rotates it, None if it changes with others.

    """

    item: Item
    rows: tuple[ValueRow, ...]
    command: str | None


def build_value(rows: list[Row], environment: str, now: datetime) -> Value:
    """Return what the view shows.

    Args:
        rows: The rows of one item, at least one.
        environment: Name of the environment.
        now: The current time.

    """
    shown = tuple(build_value_row(row, find_due(row, now), environment, now) for row in rows)
    return Value(rows[0].item, shown, find_command(rows[0].item, environment))


def find_command(item: Item, environment: str) -> str | None:
    """Return the command that rotates *item*, None if it changes only with others.

    Args:
        item: The item.
        environment: Name of the environment.

    """
    if item.every is None:
        return None
    options = ["--env", environment]
    options += ["--service", item.service] if item.service else []
    if item.kind is Kind.STATIC_USER:
        return shlex.join(["strongroom", "rotate-password", item.name, *options])
    return shlex.join(["strongroom", "rotate", item.name, *options, "--kind", item.kind.value])


def show_value(request: PageRequest) -> Response:
    """Return the view of the value in the address."""
    environment = request.environment()
    kind, service, name = (request.path_params[each] for each in ("kind", "service", "name"))
    request.use(environment.ledger)
    reading, own = environment.ledger.get(), str(environment.environment)
    rows = [
        row
        for row in reading.value or ()
        if (row.item.kind, row.item.service or JOBS, row.item.name) == (kind, service, name)
    ]
    if not rows and reading.value is not None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"No {kind} {name} is declared in {own}.")
    return request.render(
        "value.html.j2",
        name,
        environment=environment,
        crumbs=(
            Link(own, build_url("/", env=own)),
            Link("Values", build_url("/values", env=own)),
            Link(service, build_url("/values", env=own, service=service)),
        ),
        value=build_value(rows, own, request.now) if rows else None,
    )
