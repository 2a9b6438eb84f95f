"""New repository of a deployment: the files that ``strongroom init`` writes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from vault.declare import load, repository, repository_root
from vault.declare.edit.yaml_text import quote
from vault.declare.errors import DeclarationError
from vault.declare.file_kind import Kind
from vault.declare.schema import json_schema
from vault.declare.server_names import DEVELOPER, server_name, shared_name

_SOURCES: Final = Path(__file__).parent / "repository_files"
#: File in the repository → its template.
_FILES: Final = {
    "environments/dev.yaml": "dev.yaml.j2",
    "README.md": "README.md.j2",
    "Makefile": "Makefile",
    ".gitignore": "gitignore",
    "CODEOWNERS": "CODEOWNERS.j2",
    "docker-compose.yml": "docker-compose.yml.j2",
    "Dockerfile": "Dockerfile",
    ".dockerignore": "dockerignore",
    # git keeps no empty folder.
    "services/.gitkeep": "empty",
    "templates/.gitkeep": "empty",
    "policies/.gitkeep": "empty",
}
#: Files that a repository may have already, which stay as they are.
_KEPT: Final = frozenset(
    {
        *("README.md", "Makefile", ".gitignore", "CODEOWNERS"),
        *("docker-compose.yml", "Dockerfile", ".dockerignore"),
    }
)


@dataclass(frozen=True, slots=True)
class NewRepository:
    """Repository to be written.

    *addresses* are the servers of all environments but dev. *github* names the repository for a
    workflow that plans and applies these; None for no workflow.
    """

    deployment: str
    owner: str
    addresses: Mapping[Environment, str] = field(default_factory=dict)
    github: str | None = None

    def __post_init__(self) -> None:
        if self.github is None:
            return
        if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9_.-]+", self.github):
            raise ConfigurationError(
                f"--github is {self.github!r}; expected owner/name, such as parcels/secrets"
            )
        if not self.addresses:
            raise ConfigurationError(
                "--github is set without --environment, and its workflow applies to these "
                "alone; pass --environment, such as staging"
            )

    def write(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Write the files to *folder*; return these, and those that were there and stay.

        They are written to another folder and checked there first, so that a wrong value leaves
        nothing behind. A file with the same content was left by a command that was killed.
        """
        texts = self._render()
        with tempfile.TemporaryDirectory() as unfinished:
            _write(Path(unfinished), texts)
            _check(Path(unfinished))
        kept = _different(folder, texts)
        self._check_free(folder, kept)
        written = {name: text for name, text in texts.items() if name not in kept}
        _write(folder, written)
        return [folder / name for name in written], [folder / name for name in kept]

    def _check_free(self, folder: Path, present: Collection[str]) -> None:
        outer = repository_root.find_own_root(folder)
        if outer is not None and outer != folder.resolve():
            raise ConfigurationError(
                f"{folder} is inside the repository {outer}; choose a folder outside of it"
            )
        if others := sorted(set(present) - _KEPT):
            raise ConfigurationError(
                f"{folder} has {', '.join(others)}; move these files away, or choose another folder"
            )

    def _render(self) -> dict[str, str]:
        values = {
            "deployment": self.deployment,
            "comment": json_schema.editor_comment(Kind.ENVIRONMENT),
            "passwords": shared_name(self.deployment, "database"),
            "logins": shared_name(self.deployment, "logins"),
            "developer": server_name(self.deployment, DEVELOPER),
            "owner": self.owner,
            "github": self.github,
            "environments": self.addresses,
            "version": version("strongroom"),
            "name": f"strongroom-{self.deployment}",
            "example": False,
        }
        texts = {name: _render(template, values) for name, template in _FILES.items()}
        for name, address in self.addresses.items():
            texts[f"environments/{name}.yaml"] = _render(
                "environment.yaml.j2",
                {
                    **values,
                    "environment": name,
                    "address": address,
                    "is_like_prod": name != Environment.PROD and Environment.PROD in self.addresses,
                },
            )
        if self.github is not None:
            texts[".github/workflows/deployment.yml"] = _render("workflow.yml.j2", values)
        for kind in Kind:
            texts[f"schema/{json_schema.file_name(kind)}"] = json_schema.render(kind)
        # The last one, because it makes the folder a repository.
        return {**texts, repository_root.FILE: _render("strongroom.yaml.j2", values)}


def ignored_names() -> list[str]:
    """Return the lines of ``.gitignore`` that name what git must not commit."""
    lines = (_SOURCES / "gitignore").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def parse_addresses(
    texts: Iterable[str],
    option: str = "--environment",
    example: str = "https://vault.example.com:8200",
) -> dict[Environment, str]:
    """Return the address in each text ``<environment>=<address>``."""
    addresses = {}
    for text in texts:
        name, equals, address = text.partition("=")
        if not equals or not address or name == Environment.DEV:
            raise ConfigurationError(
                f"{option} is {text!r}; expected a name and the address of its server, such as "
                f"prod={example}; dev has a local server"
            )
        addresses[Environment(name)] = address
    return addresses


def _render(template: str, values: Mapping[str, Any]) -> str:
    import jinja2  # noqa: PLC0415 (only init writes from templates)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SOURCES),
        autoescape=False,  # noqa: S701 (YAML, not HTML: the filter quotes each value)
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = _plain_or_quoted
    return environment.get_template(template).render(values)


def _plain_or_quoted(value: str) -> str:
    """Return *value* as YAML, quoted if it would not be read as the same text otherwise."""
    try:
        is_plain = YAML(typ="safe", pure=True).load(value) == value
    except YAMLError:
        is_plain = False
    return value if is_plain else quote(value)


def _different(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Return the names of the files in *folder* that have another content than *texts*."""
    paths = {name: folder / name for name in texts}
    return [
        name
        for name, path in paths.items()
        if path.exists() and not (path.is_file() and path.read_bytes() == texts[name].encode())
    ]


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _check(folder: Path) -> None:
    """Check the repository in the temporary *folder*."""
    try:
        repository.read(folder).load()
    except DeclarationError as error:
        text = str(error).replace(f"{load.display_path(folder)}/", "")
        raise ConfigurationError(f"nothing was written:\n{text}") from None
