"""Command ``audit devices``: compares the server's audit devices with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError, ServerFault
from console.commands.audit.local_server import local_logs
from console.options import DeviceFile, Env, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_job_session
from console.target.target import Target, open_target
from console.views.escapes import say, show_finding
from console.views.output_files import METRICS_MODE, Metrics
from vault.audit.archive.devices import DEADLINE, MEGABYTE, MIN_FREE, DeviceState, compare_devices
from vault.declare.server_names import AUDITOR_JOB

FAULTY: Final = 2

out = Console(soft_wrap=True)


def devices(
    env: Env,
    audit_log: DeviceFile = None,
    min_free: Annotated[
        int, typer.Option("--min-free", min=1, help="megabytes that must be free on each disk")
    ] = MIN_FREE // MEGABYTE,
    metrics: Metrics = None,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Check that each audit device has a request that is made now, and room for more.

    Exit code 2 if one has not. Run it where the server runs, as a user who may read its logs.
    """
    target = open_target(env, root)
    paths = audit_log or local_logs(target)
    if not paths:
        raise ConfigurationError(
            "there is no audit log to check; pass each file of an audit device with --audit-log"
        )
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigurationError("--audit-log names one file twice; name that of each device")
    states, listed = _compare(target, paths)
    least = min_free * MEGABYTE
    findings = _judge(listed, paths)
    findings += [text for state in states for text in state.findings(least)]
    if metrics is not None:
        from vault.audit.archive.device_metrics import render_device_metrics  # noqa: PLC0415 (loads prometheus_client)

        text = render_device_metrics(
            target.environment, states, least, len(findings), datetime.now(UTC)
        )
        replace_file(metrics, text, mode=METRICS_MODE)
    _show(states, findings)
    if findings:
        raise typer.Exit(FAULTY)


def _compare(
    target: Target, paths: Sequence[Path]
) -> tuple[list[DeviceState], Mapping[str, Any] | None]:
    """Return the states, and the devices that the server lists; None if it rejects requests.

    One session for all requests: a standby passes on what follows a login, and logs it as its own
    once it has the login from the leader.
    """
    listed: Mapping[str, Any] | None = None
    with open_job_session(target, AUDITOR_JOB) as session:

        def request() -> str | None:
            nonlocal listed
            try:
                response = session.get("sys/audit")
            except ServerFault:
                return None
            listed = response["data"]
            return str(response["request_id"])

        states = compare_devices(paths, request, deadline=DEADLINE)
    return states, listed


def _judge(listed: Mapping[str, Any] | None, paths: Sequence[Path]) -> list[str]:
    """Return the findings about the list of devices."""
    if listed is None:
        text = "the server rejects requests with an internal error: no device can write, although"
        return [f"{text} its health check succeeds. Make room; nothing needs a restart"]
    files = [name for name, device in listed.items() if device.get("type") == "file"]
    if len(files) == len(paths):
        return []
    found = f"{len(files)} file devices ({', '.join(sorted(files))})"
    return [f"the server has {found}, and {len(paths)} files were compared; name each of them"]


def _show(states: Sequence[DeviceState], findings: Sequence[str]) -> None:
    for state in states:
        free = f"{state.free // MEGABYTE:,} MB free"
        say(out, f"{state.path}: {state.size:,} bytes, {free}")
    if len(states) == 1:
        out.print("There is one device only: if its disk is full, every request fails.")
    for finding in findings:
        show_finding(out, finding)
