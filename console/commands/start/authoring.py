"""Commands for what a team edits: ``init``, ``new service`` and ``schema``."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from console.options import OutFile
from console.scaffold.new_repository import NewRepository, ignored_names, parse_addresses
from console.scaffold.new_service import NewService
from console.target.checkout import current_checkout
from console.target.local_folder import make_root
from console.views.questions import Question, answer
from local.aws.dev_on_aws import is_dev_on_aws
from local.services.application import SDK_HINT, interpreter
from vault.declare import local_file
from vault.declare.file_kind import Kind
from vault.declare.repository import Repository
from vault.declare.schema import json_schema

app = typer.Typer(no_args_is_help=True, help="Declare something new.")
out = Console(soft_wrap=True, highlight=False)

OWNER: Final = "Owner (e-mail address or team)"
DESCRIPTION: Final = "What it does"

Owner = Annotated[str | None, typer.Option("--owner", help="e-mail address or team")]
Description = Annotated[str | None, typer.Option("--description", help="text: what it does")]
_Generate = Annotated[
    list[str] | None, typer.Option("--generate", help="a secret that the server generates")
]
_Given = Annotated[list[str] | None, typer.Option("--given", help="a secret that you provide")]
Key = Annotated[list[str] | None, typer.Option("--key", help="a key to encrypt and decrypt with")]
_Database = Annotated[bool, typer.Option("--database", help="it owns a PostgreSQL database")]
_DatabaseAt = Annotated[
    list[str] | None,
    typer.Option("--database-at", help="its server: prod=postgres.example.com:5432"),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="folder of the application, which gets a config file"),
]


@app.callback()
def new() -> None:
    """Declare something new."""


def init(
    folder: Annotated[Path, typer.Argument(help="the repository's folder")],
    owner: Owner = None,
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
    answers = answer({"--owner": Question(OWNER, owner)})
    repository = NewRepository(
        deployment or _derive_id(folder), answers["--owner"], addresses, github
    )
    written, kept = repository.write(folder)
    for path in written:
        out.print(f"wrote {path}", markup=False)
    for path in kept:
        out.print(f"kept {path}, which is yours", markup=False)
        if path.name == ".gitignore":
            out.print(
                f"add to it what git must not commit: {' '.join(ignored_names())}", markup=False
            )
    out.print(
        f"\nNext, in {folder}, declare a service: strongroom import-env FILE --service NAME "
        "--create, or strongroom new service NAME",
        markup=False,
    )


def _derive_id(folder: Path) -> str:
    """Return the name of *folder* in the form of an id."""
    name = folder.resolve().name
    composed = unicodedata.normalize("NFC", name)  # otherwise an accent is no part of its letter
    if any(char.isalnum() and not char.isascii() for char in composed):
        raise ConfigurationError(
            f"the folder's name {name!r} has letters that the id of a deployment cannot have; pass "
            "the id with --deployment, in letters from a to z, digits and '-'"
        )
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="lower-case words joined by '-'")],
    owner: Owner = None,
    description: Description = None,
    generate: _Generate = None,
    given: _Given = None,
    key: Key = None,
    database: _Database = False,
    database_at: _DatabaseAt = None,
    config: Config = None,
) -> None:
    """Declare a service, in each environment whose database server is known."""
    addresses = parse_addresses(database_at or (), "--database-at", "postgres.example.com:5432")
    checkout = current_checkout()
    repository = checkout.repository
    questions = {
        "--owner": Question(OWNER, owner),
        "--description": Question(DESCRIPTION, description),
    }
    answers = answer(questions)
    new_service = NewService(
        name,
        answers["--owner"],
        answers["--description"],
        generate or (),
        given or (),
        key or (),
        has_database=database or bool(addresses),
        databases=addresses,
        application=relative_folder(repository, config) if config else None,
    )
    extras = "config,aws" if is_dev_on_aws(checkout.declaration) else "config"
    for line in write_service(new_service, repository):
        out.print(line, markup=False)
    if config:
        line = f"its interpreter is {interpreter(config)}; install strongroom-sdk[{extras}] there"
        out.print(line, markup=False)
    _show_next(name)


def _show_next(service: str) -> None:
    variables = shlex.quote(str(make_root() / "env" / f"{service}.env"))
    line = f"strongroom up, then in any shell: set -a; . {variables}; set +a"
    out.print(f"\nNext: {line}", markup=False)
    line = f"strongroom policies test --env dev --service {service}"
    out.print(f"Then, to prove its policy: {line}", markup=False)
    out.print(SDK_HINT, markup=False)


def relative_folder(repository: Repository, folder: Path) -> str:
    """Return *folder* relative to the repository, because other people have other folders."""
    return os.path.relpath(folder.resolve(), repository.root)


def write_service(new_service: NewService, repository: Repository) -> list[str]:
    """Write a service; return a line for each file and each environment without an entry."""
    config = new_service.config
    model = config.model_path(repository.root).resolve() if config else None
    is_kept = bool(config and model and _has_other_text(model, config.source()))
    if config and config.is_outside:
        local_file.read(repository.root)  # otherwise its faults were found half-way
    skipped = new_service.write(repository)
    lines = [f"wrote {each(repository)}" for each in (new_service.path, new_service.tests_file)]
    if config and model:
        lines.append(f"wrote {new_service.template_path(repository)}")
        lines.append(f"kept {model}, which is yours" if is_kept else f"wrote {model}")
    if config and config.is_outside:
        file = local_file.set_application(repository.root, new_service.name, config.folder)
        lines.append(f"wrote {file}, where the application is on this machine{_git_hint(file)}")
    for environment, missing in skipped.items():
        file = repository.declaration / "environments" / f"{environment}.yaml"
        line = f"add '{new_service.name}: {{{missing}}}' under services"
        lines.append(f"{file} has no entry yet: {line}")
    return lines


def _git_hint(file: Path) -> str:
    """Return what to do if git does not ignore *file*; empty if it does."""
    from vault.dotenv.worktree import check_ignored  # noqa: PLC0415 (few calls need it)

    try:
        check_ignored(file)
    except ConfigurationError:
        return f"; add {file.name} to {file.parent / '.gitignore'}, because git does not ignore it"
    return ""


def _has_other_text(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()


def schema(
    kind: Annotated[Kind, typer.Argument(help="kind of file")],
    file: OutFile = None,
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    text = json_schema.render(kind)
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
