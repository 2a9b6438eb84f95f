"""Command ``adopt-kv``: the value of another team's KV entry becomes a declared secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.commands.start.env_files import EnvFiles
from console.options import AsJson, DryRun, Env, OnlyService, Replace, Root, Yes
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import open_target
from vault.adoption import kv_copy, kv_entry
from vault.adoption.kv_copy import KvCopy, State
from vault.adoption.kv_entry import EntryField
from vault.dotenv.import_ import ImportTarget

CHANGES: Final = 2

out = Console(soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Options:
    """Options that say what is done. See the help of each."""

    name: str | None
    replace: bool
    yes: bool
    dry_run: bool
    as_json: bool


def adopt_kv(
    entry: Annotated[
        str, typer.Argument(metavar="PATH[#FIELD]", help="an entry of any KV mount, and its field")
    ],
    service: OnlyService = None,
    env: Env = Environment.DEV,
    name: Annotated[
        str | None, typer.Option("--name", help="name of the secret; by default the field's")
    ] = None,
    replace: Replace = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Declare a secret and copy the value of a KV entry into it, which stays as it is.

    The value is read back as the service. After a failure or a kill, run the command again. With
    --dry-run, exit code 2 if there is something to copy.
    """
    options = _Options(name, replace, yes, dry_run, as_json)
    source = EntryField.parse(entry)
    place = open_target(env, root)
    scope = place.find_scope(service)
    secret = kv_copy.choose_name(source, name)
    is_declared = kv_copy.check_declared(place.declaration, scope, secret)
    files = EnvFiles(place, scope.service, Console(quiet=True) if as_json else out)
    with files.open_import() as target:
        found = kv_entry.read(target.session, source)
        copy = kv_copy.plan(
            target.session, target.owner, scope, secret, source, found, is_declared=is_declared
        )
        _run(copy, target, options, files.show)


def _run(
    copy: KvCopy, target: ImportTarget, options: _Options, show: Callable[[str], None]
) -> None:
    for line in _describe(copy):
        show(line)
    is_written = False
    try:
        _check(copy, options)
        if not (options.dry_run or copy.is_done):
            _confirm(copy, options)
            kv_copy.run(copy, target, show)
            is_written = True
    finally:
        if options.as_json:
            typer.echo(json.dumps(_document(copy, is_written=is_written), indent=2))
    if options.dry_run and not copy.is_done:
        raise typer.Exit(CHANGES)


def _describe(copy: KvCopy) -> Iterator[str]:
    declared = "declared" if copy.is_declared else "to be declared"
    yield f"{copy.source} to {copy.name} of {copy.scope}: {declared}, its value is {copy.state}"
    if copy.found.note is not None:
        yield f"note: {copy.found.note}"
    if copy.is_done:
        yield "nothing to do"


def _check(copy: KvCopy, options: _Options) -> None:
    """Check that the secret has no other value, unless that is to be replaced."""
    if copy.state is State.DIFFERENT and not options.replace:
        raise ConfigurationError(
            f"{copy.name} of {copy.scope} has another value, version {copy.version}, and nothing"
            " was changed; pass --replace to replace it"
        )


def _confirm(copy: KvCopy, options: _Options) -> None:
    """Ask before a value is replaced."""
    if copy.state is State.DIFFERENT and not options.yes:
        typer.confirm(f"Replace the value of {copy.name}?", abort=True, err=True)


def _document(copy: KvCopy, *, is_written: bool) -> dict[str, Any]:
    written = {State.MISSING: "copied", State.DIFFERENT: "replaced", State.EQUAL: "equal"}
    return {
        "service": copy.scope.service,
        "environment": str(copy.scope.environment),
        "from": str(copy.source),
        "name": copy.name,
        "declared": copy.is_declared or is_written,
        "state": written[copy.state] if is_written else str(copy.state),
        "note": copy.found.note or "",
    }
