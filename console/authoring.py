"""Commands for what a team edits: ``init``, ``new service``, ``check`` and ``schema``."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from console import operate
from console.check import find_errors
from console.new_config import NewConfig
from console.new_repository import NewRepository, ignored_names, parse_addresses
from console.new_service import NewService
from console.policy_check import find_policy_errors, find_warnings
from vault.declare.repository import open_repository
from vault.declare.schema import json_schema

INVALID: Final = 2

app = typer.Typer(no_args_is_help=True, help="Declare something new.")
out = Console(soft_wrap=True, highlight=False)

_Owner = Annotated[
    str,
    typer.Option("--owner", prompt="Owner (e-mail address or team)", help="e-mail address or team"),
]
_Description = Annotated[
    str, typer.Option("--description", prompt="What it does", help="text: what it does")
]
_Generate = Annotated[
    list[str] | None, typer.Option("--generate", help="a secret that the server generates")
]
_Given = Annotated[list[str] | None, typer.Option("--given", help="a secret that you provide")]
_Key = Annotated[list[str] | None, typer.Option("--key", help="a key to encrypt and decrypt with")]
_Database = Annotated[bool, typer.Option("--database", help="it owns a PostgreSQL database")]
_DatabaseAt = Annotated[
    list[str] | None,
    typer.Option("--database-at", help="its server: prod=postgres.example.com:5432"),
]
_Config = Annotated[
    Path | None,
    typer.Option("--config", help="folder of the application, which gets a config file"),
]


@app.callback()
def new() -> None:
    """Declare something new."""


def init(
    folder: Annotated[Path, typer.Argument(help="the repository's folder")],
    owner: _Owner,
    deployment: Annotated[
        str | None,
        typer.Option("--deployment", help="the deployment's id, by default FOLDER's name"),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("--environment", help="another environment: prod=https://vault.example.com"),
    ] = None,
    github: Annotated[
        str | None,
        typer.Option("--github", help="its repository there, owner/name: adds a workflow"),
    ] = None,
) -> None:
    """Write the repository of a new deployment: dev, and the environments that you name."""
    addresses = parse_addresses(environment or ())
    repository = NewRepository(deployment or _derive_id(folder), owner, addresses, github)
    written, kept = repository.write(folder)
    for path in written:
        out.print(f"wrote {path}", markup=False)
    for path in kept:
        out.print(f"kept {path}, which is yours", markup=False)
        if path.name == ".gitignore":
            out.print(
                f"add to it what git must not commit: {' '.join(ignored_names())}", markup=False
            )
    out.print(f"\nNext, in {folder}: strongroom new service NAME, then make vault-up", markup=False)


def _derive_id(folder: Path) -> str:
    """Return the name of *folder* in the form of an id."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="lower-case words joined by '-'")],
    owner: _Owner,
    description: _Description,
    generate: _Generate = None,
    given: _Given = None,
    key: _Key = None,
    database: _Database = False,
    database_at: _DatabaseAt = None,
    config: _Config = None,
) -> None:
    """Declare a service, in each environment whose database server is known."""
    addresses = parse_addresses(database_at or (), "--database-at", "postgres.example.com:5432")
    repository = operate.repository()
    # Relative, because the service file is committed, and other people have other folders.
    application = os.path.relpath(config.resolve(), repository.root) if config else None
    new_service = NewService(
        name,
        owner,
        description,
        generate or (),
        given or (),
        key or (),
        has_database=database or bool(addresses),
        databases=addresses,
        application=application,
    )
    skipped = new_service.write(repository)
    out.print(f"wrote {repository.declaration / 'services' / f'{name}.yaml'}", markup=False)
    out.print(f"wrote {new_service.tests_file(repository)}", markup=False)
    if new_service.config:
        _write_model(repository.root, new_service.config)
    for environment in skipped:
        file = repository.declaration / "environments" / f"{environment}.yaml"
        line = f"add '{name}: {{database: host:port}}' under services"
        out.print(f"{file} has no entry yet: {line}", markup=False)
    variables = shlex.quote(str(operate.local_root() / "env" / f"{name}.env"))
    line = f"make vault-up, then in any shell: set -a; . {variables}; set +a"
    out.print(f"\nNext: {line}", markup=False)
    line = f"strongroom policies test --env dev --service {name}"
    out.print(f"Then, to prove its policy: {line}", markup=False)


def _write_model(root: Path, config: NewConfig) -> None:
    """Write the model into the application's folder, unless there is one."""
    path = root / config.folder / f"{config.module}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config.source(), encoding="utf-8")
        out.print(f"wrote {path}", markup=False)
    python = root / config.folder / ".venv" / "bin" / "python"
    out.print(f"its interpreter is {python}; install strongroom-sdk[config] there", markup=False)


def check(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="a folder in the repository, by default this one", exists=True, file_okay=False
        ),
    ] = None,
) -> None:
    """Check declaration and templates without a server. Exit code 2 if there is an error."""
    repository = open_repository(folder.resolve()) if folder else operate.repository()
    errors = (*find_errors(repository), *find_policy_errors(repository))
    for warning in find_warnings(repository):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo("\n".join(errors) or "No error in the declaration and its templates.")
    if errors:
        raise typer.Exit(INVALID)


def schema(
    kind: Annotated[json_schema.Kind, typer.Argument(help="kind of file")],
    file: Annotated[Path | None, typer.Option("--out", help="file to write")] = None,
) -> None:
    """Print the JSON Schema of the service or environment files, for editors."""
    text = json_schema.render(kind)
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
