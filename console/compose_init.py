"""One-shot services of ``docker-compose.yml``, run by ``python -m console.compose_init STEP``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from app_integration._internal.cli import ArgumentParser
from app_integration.errors import StrongroomError
from console.deployment import Deployment
from console.local_services import service_accesses
from console.steps import Steps
from vault.declare import repository
from vault.declare.declaration import Declaration
from vault.runtime import ports
from vault.runtime.docker.compose_init import ComposeInit
from vault.runtime.layout import Layout

ROOT: Final = Path("/strongroom")


def main(arguments: Sequence[str]) -> int:
    """Run one step, and return the exit code: 0, or 1 after an error.

    Args:
        arguments: Arguments of the command line.

    Raises:
        SystemExit: If the arguments are wrong; the exit code is 64.

    """
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


def load_declaration() -> Declaration:
    """Return the image's declaration, with the image's interpreter for every service.

    The image contains no virtual environment of an application.
    """
    declaration = repository.read(Path.cwd()).load()
    return declaration.with_interpreter(Path(sys.executable))


def _prepare() -> None:
    """Write the files that the servers start from."""
    numbers = ports.from_environment(os.environ)
    layout = Layout(ROOT)
    accesses = service_accesses(layout, numbers, load_declaration(), lambda _name: None)
    ComposeInit(layout, numbers, accesses).prepare()


def _apply(console: Console) -> None:
    """Apply the declaration to the servers."""
    numbers = ports.from_environment(os.environ)
    deployment = Deployment(Layout(ROOT), numbers, load_declaration(), ComposeInit)
    result = deployment.bring_up(Steps(console))
    for service, error in result.failures.items():
        # No exit code, because the agents of the other services wait for this container.
        console.print(f"error: {service}: {error}", markup=False)
    console.print(
        f"{len(result.plan.changes)} changes applied, {len(result.issued)} credentials issued"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
