"""Unit of systemd: the delivery, which renders the file and starts the application."""

from __future__ import annotations

from pathlib import Path

from agent.file_templates import render
from agent.quoting import escape_line, quote_command, quote_word
from agent.targets.host import Host, check_reach
from agent.targets.sdk.settings import SdkSettings
from agent.targets.systemd import account, check_instance


def build(settings: SdkSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    check_reach(settings.config, settings.scope.service, host)
    check_instance(settings.scope.service)
    service, file = settings.scope.service, settings.config.file
    folder, runtime = host.folder or Path("/srv") / service, Path("/run") / service
    start = settings.watch_command(
        str(folder / settings.config.python),
        Path("/etc/strongroom") / service / settings.skeleton_file,
        runtime / "staging" / file,
        runtime / file,
    )
    variables = {**settings.variables, "STRONGROOM_CONFIG": str(runtime / file)}
    values = {
        "service": service,
        "environment": str(settings.scope.environment),
        "user": account(service),
        "group": None,
        "agent_user": None,
        "agent_unit": None,
        "folder": escape_line(folder),
        "variables": [quote_word(f"{name}={value}") for name, value in variables.items()],
        "audit": None,
        "command": host.command,
        "start": quote_command([*start, *host.command] if host.command else start[:-1]),
    }
    unit = f"{service}.service" if host.command else f"strongroom-{service}-delivery.service"
    files = {
        unit: "application.service.j2",
        f"strongroom-{service}.sysusers.conf": "sysusers.conf.j2",
    }
    rendered = {
        name: render(f"targets/systemd/{each}", str, values) for name, each in files.items()
    }
    return {settings.skeleton_file: settings.skeleton.to_json(), **rendered}
