"""Command ``console``: serves the operator's web page on this machine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.session.session import Session
from console.options import Alertmanager, AuditLog, Credentials, Root, Store, build_duration_parser
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_folder_session, open_job_session
from console.target.target import Target, open_target
from vault.declare.server_names import AUDITOR_JOB

#: Modules of the extra ``page``.
_MODULES: Final = ("starlette", "uvicorn")
_SESSION: Final = ("1m", "24h")

Environments = Annotated[
    list[str],
    typer.Option(
        "--env",
        help="an environment to show; may be repeated",
        default_factory=lambda: [str(Environment.DEV)],
        show_default="dev",
    ),
]
Migrations = Annotated[
    list[Path] | None,
    typer.Option(
        "--migration",
        help="plan of a migration to show, read as its service; may be repeated",
        exists=True,
        dir_okay=False,
    ),
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="port of the page; any by default")
]
Idle = Annotated[
    int,
    typer.Option(
        "--idle",
        parser=build_duration_parser("--idle", *_SESSION),
        metavar="DURATION",
        help="end the visit if nothing is opened for so long",
    ),
]
Lifetime = Annotated[
    int,
    typer.Option(
        "--lifetime",
        parser=build_duration_parser("--lifetime", *_SESSION),
        metavar="DURATION",
        help="end the visit after so long",
    ),
]

out = Console(soft_wrap=True)


def console(
    env: Environments,
    audit_log: AuditLog = None,
    store: Store = None,
    credentials: Credentials = None,
    alertmanager: Alertmanager = None,
    migration: Migrations = None,
    port: Port = 0,
    idle: Idle = "30m",  # type: ignore[assignment]  # the parser makes it a number
    lifetime: Lifetime = "8h",  # type: ignore[assignment]  # as above
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show services, secrets and their age on a web page of this machine, until Ctrl-C.

    It reads with the auditor's credential, shows no secret value, and changes nothing.
    """
    _require_extra()
    targets = _resolve(open_target(root=root), env, credentials, audit_log or (), store)
    # Imported here, because the extra is not installed everywhere.
    from console.page.admission import Access  # noqa: PLC0415
    from console.page.application import build_application  # noqa: PLC0415
    from console.page.gate import OPEN, Gate  # noqa: PLC0415
    from console.page.server import HOST, listen, serve  # noqa: PLC0415
    from console.page.sources.sources import Options, open_sources  # noqa: PLC0415

    opener = partial(_open_session, credentials)
    reader = partial(_read_migrations, tuple(migration)) if migration else None
    options = Options(targets, tuple(audit_log or ()), store, opener, alertmanager, reader)
    access = Access(
        idle=idle, lifetime=lifetime, clock=time.monotonic, generate=secrets.token_urlsafe
    )
    clock = partial(datetime.now, UTC)
    with listen(port) as listener, open_sources(options, clock) as sources:
        used = listener.getsockname()[1]
        out.print(f"http://{HOST}:{used}{OPEN}{access.token}", highlight=False)
        out.print("The address works once, for 5 minutes. Ctrl-C ends the page.", style="dim")
        serve(Gate(build_application(sources, clock), access, used), listener)


def _require_extra() -> None:
    missing = [name for name in _MODULES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{missing[0]} is not installed; install the tool with its extra: strongroom[page]"
        )


def _resolve(
    opened: Target,
    names: Sequence[str],
    credentials: Path | None,
    audit_logs: Sequence[Path],
    store: Path | None,
) -> list[Target]:
    """Return the targets of the environments *names*, once each, before a port is opened."""
    found = list({each.environment: each for each in map(opened.with_environment, names)}.values())
    if len(found) > 1 and (audit_logs or store):
        raise typer.BadParameter(
            "--audit-log and --store belong to one environment: pass one --env, and run the "
            "command once for each"
        )
    elsewhere = [each for each in found if not each.is_local]
    if len(elsewhere) > 1 and credentials is None:
        raise typer.BadParameter(
            "several servers need a credential each: pass --credentials with a folder of "
            "<environment>/role-id and <environment>/secret-id"
        )
    return found


def _open_session(credentials: Path | None, target: Target) -> Session:
    """Open a session on a server, which the declaration may name otherwise than at the start."""
    if credentials is None or target.is_local:
        return open_job_session(target, AUDITOR_JOB)
    return open_folder_session(target, credentials)


def _read_migrations(plans: Sequence[Path], target: Target) -> dict[str, list[str]]:
    """Return what the status of each migration says, read with its service's credential."""
    from console.commands.personal_data.migration_control import read_lines  # noqa: PLC0415

    return dict(read_lines(plan, target) for plan in plans)
