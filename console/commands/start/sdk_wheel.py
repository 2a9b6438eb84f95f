"""Command ``sdk-wheel``: the SDK as an application installs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from app_integration._internal.private_file import replace_file
from vault.sdk_wheel import SdkWheel, read_project

#: Extras in the printed lines: those of a service with a config file and a database.
_EXTRAS: Final = ("config", "database")


def sdk_wheel(
    out: Annotated[Path, typer.Option("--out", help="folder for the files")],
) -> None:
    """Write a wheel of the SDK alone, and print the lines that install it in an application.

    It needs no network. The bytes are the same for the same version of the tool.
    """
    wheel = read_project()
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / wheel.file_name, wheel.build(), mode=0o644)
    typer.echo(f"wrote {out / wheel.file_name}")
    typer.echo("\n".join(show_lines(wheel, out.resolve())))


def show_lines(wheel: SdkWheel, folder: Path) -> Iterator[str]:
    """Yield what to write into the files of the project that *folder* is in, and the floors."""
    path = f"{folder.name}/{wheel.file_name}"
    named = f"{wheel.name}[{','.join(_EXTRAS)}]=={wheel.version}"
    yield f"\nFor a project in {folder.parent}, with the extras that it uses:"
    yield f"\nrequirements.txt\n  ./{path}[{','.join(_EXTRAS)}]"
    yield f"\npyproject.toml, installed by: pip install ./{path} .\n  [project]"
    yield f'  dependencies = ["{named}"]'
    yield "  Without that path, pip would look the name up on PyPI, where anybody may register it."
    yield "\npyproject.toml with uv: the same, and\n  [tool.uv.sources]"
    yield f'  {wheel.name} = {{ path = "{path}" }}'
    yield "\npyproject.toml with Poetry\n  [tool.poetry.dependencies]"
    yield f'  {wheel.name} = {{ path = "{path}", extras = {json.dumps(_EXTRAS)} }}'
    yield f"\nIt needs Python {wheel.project['requires-python']}, and moves what is older:"
    for extra, requirements in wheel.requirements.items():
        yield f"  {extra or 'always'}: {', '.join(requirements)}"
    yield "docs/Installing.md has the reason for each."
