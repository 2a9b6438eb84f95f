"""One-shot services of ``docker-compose.yml``, run by ``python -m console.compose_init STEP``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from app_integration._internal.cli import ArgumentParser
from app_integration._internal.private_file import write_private
from app_integration.errors import StrongroomError
from console.steps import Steps
from local import ports
from local.deployment_setup import DeploymentSetup
from local.docker.image_models import FORMAT_ONLY, replace_missing
from local.docker.init_container import ComposeInit
from local.layout import Layout
from vault.declare import counts, repository
from vault.declare.declaration import Declaration

ROOT: Final = Path("/strongroom")
#: Folder of ``strongroom.yaml`` in the image.
REPOSITORY: Final = Path("/opt/strongroom/repository")
#: Folder that models are imported from.
MODELS: Final = Path("/opt/strongroom/app")


def main(arguments: Sequence[str]) -> int:
    """Run one step, and return the exit code: 0, or 1 after an error."""
    parser = ArgumentParser(prog="python -m console.compose_init")
    parser.add_argument("step", choices=("prepare", "apply"))
    step = parser.parse_args(arguments).step
    os.umask(0o077)
    console = Console(soft_wrap=True, highlight=False)
    try:
        _prepare() if step == "prepare" else _apply(console)
    except StrongroomError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    return 0


def load_declaration(root: Path = REPOSITORY) -> Declaration:
    """Return the image's declaration, with the image's interpreter for every service.

    The image has no virtual environment of an application.
    """
    declared = repository.read(root).load()
    image = {"path": str(MODELS), "python": sys.executable}
    return declared.with_config(declared.services, image)


def _prepare() -> None:
    """Write the files that the servers start from."""
    ComposeInit(Layout(ROOT), ports.from_environment(os.environ), ()).prepare()


def _apply(console: Console) -> None:
    """Apply the declaration to the servers."""
    numbers = ports.from_environment(os.environ)
    declaration, unchecked = replace_missing(load_declaration())
    deployment = DeploymentSetup(Layout(ROOT), numbers, declaration, ComposeInit)
    result = deployment.bring_up(Steps(console))
    write_private(deployment.layout.unchecked, "\n".join(unchecked))
    for service in unchecked:
        console.print(f"config of {service}: {FORMAT_ONLY}", markup=False)
    for service, error in result.failures.items():
        # No exit code, because the agents of the other services wait for this container.
        console.print(f"error: {service}: {error}", markup=False)
    changes = counts.render(len(result.plan.changes), "change")
    issued = counts.render(len(result.issued), "credential")
    console.print(f"{changes} applied, {issued} issued")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
