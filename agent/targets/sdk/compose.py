"""Service of compose: the delivery, which renders the file and starts the application."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.file_templates import render
from agent.quoting import quote_compose, required_variable
from agent.targets.compose import MEMORY
from agent.targets.host import Host, require_command
from agent.targets.sdk.settings import SdkSettings
from agent.targets.settings import image_python

_FOLDER: Final = Path("/etc/strongroom")


def build(settings: SdkSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    require_command(host)
    service, file = settings.scope.service, settings.config.file
    run = Path("/run") / service
    skeleton = _FOLDER / settings.skeleton_file
    places = (skeleton, run / "staging" / file, run / "config" / file)
    values = {
        "service": service,
        "environment": settings.scope.environment,
        "start": settings.watch_command(image_python(settings.config), *places),
        "command": host.command,
        "working_dir": host.folder,
        "variables": {**settings.variables, "STRONGROOM_CONFIG": places[2]},
        "files": required_variable(service, "FILES", "the folder of this file"),
        "folder": _FOLDER,
        "run": run,
        "volume": f"strongroom-{service}-live",
        "options": f"mode=1777,{MEMORY}",
    }
    return {
        settings.skeleton_file: settings.skeleton.to_json(),
        "compose.yaml": render("targets/sdk/compose.yaml.j2", quote_compose, values),
    }
