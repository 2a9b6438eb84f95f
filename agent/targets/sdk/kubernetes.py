"""Component of Kustomize: the delivery, which renders the file and starts the application.

The identity is that of the pod's service account, which the team binds to a role of AWS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from agent.file_templates import render
from agent.quoting import escape_word, quote_manifest
from agent.targets.host import Host, require_command
from agent.targets.kubernetes import USER, startup_probe
from agent.targets.sdk.settings import SdkSettings
from agent.targets.settings import image_python

_FOLDER: Final = Path("/etc/strongroom")
# Folders in the volume, because that of the volume itself has mode 0777, or 2777 with fsGroup.
_VOLUME: Final = Path("/run/strongroom/live")
_FILES: Final = ("kustomization.yaml", "deployment.yaml")


def build(settings: SdkSettings, host: Host) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    require_command(host)
    values = _values(settings, host)
    rendered = {name: render(f"targets/sdk/{name}.j2", quote_manifest, values) for name in _FILES}
    return {settings.skeleton_file: settings.skeleton.to_json(), **rendered}


def _values(settings: SdkSettings, host: Host) -> dict[str, Any]:
    """Return the variables of the templates."""
    service, file = settings.scope.service, settings.config.file
    python = image_python(settings.config)
    live = _VOLUME / "config" / file
    skeleton = _FOLDER / settings.skeleton_file
    start = settings.watch_command(python, skeleton, _VOLUME / "staging" / file, live)
    return {
        "service": service,
        "environment": settings.scope.environment,
        "user": USER,
        "folder": host.folder or Path("/srv") / service,
        "python": python,
        "live": live,
        "live_volume": _VOLUME,
        "variables": settings.variables,
        "records": None,
        "start": [escape_word(word) for word in start],
        "command": [escape_word(word) for word in host.command],
        "probe": startup_probe(settings.config),
        "skeleton": settings.skeleton_file,
        "skeleton_folder": _FOLDER,
    }
