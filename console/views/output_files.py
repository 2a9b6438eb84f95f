"""Files that a command writes where an operator says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from app_integration._internal.input_file import open_input
from app_integration._internal.private_file import replace_file
from vault import owned_folder
from vault.owned_folder import FolderKind
from vault.reconcile.credentials import CREDENTIALS

_HEAD: Final = b"# Written by strongroom"
#: The node exporter is another user, and the file has names only.
METRICS_MODE: Final = 0o644


def _is_earlier(folder: Path, names: Collection[str]) -> bool:
    """Return whether a file in *folder* says so, or its files are those of a rotation function."""
    if {*names} == {"policy.json", "requirements.txt", "rotation.zip"}:
        return True
    return any(_is_written(folder / name) for name in names)


def _is_written(path: Path) -> bool:
    try:
        with open_input(path) as file:
            return file.read(len(_HEAD)) == _HEAD
    except OSError:
        return False


def _check_credential_folder(folder: Path | None) -> Path | None:
    return CREDENTIALS.check_option(folder)  # loaded for this only, not for the help


BUILD: Final = FolderKind("build", "folder of built files", "--out", _is_earlier)
BuildFolder = Annotated[
    Path, typer.Option("--out", help="folder for the files", callback=BUILD.check_option)
]
CREDENTIAL_FOLDER: Final = typer.Option(
    "--out",
    help="folder for credentials, outside of the repository",
    callback=_check_credential_folder,
)
CredentialFolder = Annotated[Path, CREDENTIAL_FOLDER]


def check_output_file(option: str, path: Path) -> None:
    """Check that a file can be written, before any request."""
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{option} {path}: {path.parent} is not a folder; create it first")
    if path.is_dir():
        raise typer.BadParameter(f"{option} {path} is a folder; name a file in it")


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write *files*, and print the path of each. Anybody may read them: they have no secret."""
    owned = owned_folder.create(folder, BUILD, mode=0o777)
    for name, content in files.items():
        path = Path(name)
        data = content.encode() if isinstance(content, str) else content
        place = owned_folder.subfolder(owned, path.parent, mode=0o777)
        replace_file(place / path.name, data, mode=0o644)
        typer.echo(f"wrote {folder / name}")


def check_metrics_file(path: Path | None) -> Path | None:
    """Return *path* if the collector reads a file of that name, before any request."""
    if path is None:
        return None
    if path.suffix != ".prom":
        raise typer.BadParameter(
            f"--metrics {path} does not end in .prom; the collector ignores it"
        )
    check_output_file("--metrics", path)
    return path


Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        callback=check_metrics_file,
        help="write a .prom file for the node exporter, too",
    ),
]
