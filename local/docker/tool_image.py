"""Image of the tool, which the image of a team's repository begins from.

It is built from the files of the tool that runs, because no registry has it: those that a wheel
installed, or those of a clone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from local.docker.engine import run_compose

#: Variable with the name of an image to use instead, such as one in a team's registry.
SETTING: Final = "STRONGROOM_TOOL_IMAGE"
NAME: Final = "strongroom-tool:local"
#: Variable with an image that has the dependencies, for a build without a network.
_SITE: Final = "STRONGROOM_SITE"
_ROOT: Final = Path(__file__).resolve().parents[2]
_DOCKERFILE: Final = "local/docker/Dockerfile"
_PACKAGES: Final = (
    *("agent", "app_integration", "aws", "backup", "console"),
    *("local", "migration", "policies", "vault"),
)


def ensure() -> None:
    """Build the image, unless a variable names another one."""
    if not os.environ.get(SETTING):
        build(NAME)


def build(name: str) -> None:
    """Build the image *name*. Nothing is built again if the files are the same."""
    with tempfile.TemporaryDirectory() as temporary:
        context = Path(temporary)
        copy_files(context)
        file = context / "build.json"
        file.write_text(json.dumps(describe(name, version("strongroom"), os.environ)))
        # By compose, because docker itself has its current builder only with another plug-in.
        run_compose(f"build of {name}", "--file", str(file), "build", "--quiet")


def copy_files(target: Path) -> None:
    """Copy the files of the running tool to the folder *target*, without those made from others."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, target / package, ignore=ignored)


def describe(name: str, number: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of a compose file that builds the image *name*."""
    arguments = {"VERSION": number}
    if site := variables.get(_SITE):
        arguments["SITE"] = site
    build = {"context": ".", "dockerfile": _DOCKERFILE, "target": "tool", "args": arguments}
    return {"name": "strongroom-tool", "services": {"tool": {"image": name, "build": build}}}
