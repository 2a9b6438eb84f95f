"""Command that delivers a file and runs the application, the same for each target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vault.declare.schema.model import Config


def watch_command(
    config: Config, python: str, staging: Path, live: Path, options: Sequence[str] = ()
) -> list[str]:
    """Return the command, up to ``--``."""
    command = [python, "-m", "app_integration", "deliver", "--watch", str(staging), *options]
    command += ["--live", str(live), "--model", config.model, "--reload", config.reload]
    if config.health is not None:
        command += ["--health", config.health]
    return [*command, "--settle", str(config.settle), "--within", str(config.within), "--"]


def image_python(config: Config) -> str:
    """Return the interpreter in an image: the declared one, if that is absolute."""
    return config.python if Path(config.python).is_absolute() else "python3"
