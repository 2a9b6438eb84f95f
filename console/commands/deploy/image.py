"""Command ``image``: the image of this tool."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

out = Console(soft_wrap=True)


def image(
    tag: Annotated[str, typer.Option("--tag", help="the image's name")] = "strongroom-tool:local",
) -> None:
    """Build the image of this tool, which the containers of a repository begin from."""
    from local.docker import engine, tool_image  # noqa: PLC0415 (the package docker is not everywhere)

    engine.require_engine()
    tool_image.build(tag)
    out.print(f"Built {tag}.", markup=False)
