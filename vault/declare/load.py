"""Loader of a declaration: it reads and checks all files, and reports every error at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from app_integration.names import Environment
from vault.declare import source_file
from vault.declare.checks import (
    aws,
    aws_rotation,
    database_ownership,
    database_user,
    derived_names,
    environment,
    login,
    people,
    shared_server,
)
from vault.declare.checks import service as service_checks
from vault.declare.checks.derived_names import Claim
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError, FieldError, FileError
from vault.declare.schema.model import EnvironmentDeclaration, ServiceDeclaration
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.declare.source_file import UnreadableFile
from vault.declare.yaml import document, validation_errors
from vault.declare.yaml.document import Document

ROOT = Path(__file__).parent
PROJECT = ROOT.parents[1]
TEMPLATES = PROJECT / "agent" / "templates"


def load(
    root: Path = ROOT,
    template_root: Path = TEMPLATES,
    deployment: str = DEFAULT_DEPLOYMENT,
    project: Path = PROJECT,
) -> Declaration:
    """Return the checked declaration in ``services/*.yaml`` and ``environments/*.yaml``.

    *template_root* has a folder for each service, *deployment* is the id of environments whose file
    declares none, and paths of services are relative to *project*.
    """
    return replace(check(read(root), template_root, deployment), project=project.absolute())


def read_document(path: Path) -> Document:
    """Return the parsed YAML file *path*, with its errors in the result."""
    return document.read(display_path(path), _read_file(path))


@dataclass(frozen=True, slots=True)
class Files:
    """Content of the files of a declaration, before parsing."""

    services: Mapping[Path, bytes]
    environments: Mapping[Path, bytes]
    pems: Mapping[str, bytes] = field(default_factory=dict)


def read(root: Path) -> Files:
    """Return the content of every file of the declaration below *root*."""
    environments = root / "environments"
    files = Files(
        _read_folder(root / "services"), _read_folder(environments), _read_pems(environments)
    )
    if not files.environments:
        text = "contains no declaration (expected files such as dev.yaml)"
        raise DeclarationError([FileError(display_path(environments), 0, text)])
    return files


def _read_pems(folder: Path) -> dict[str, bytes]:
    return {path.name: _read_file(path) for path in sorted(folder.glob("*.pem"))}


def _read_folder(folder: Path) -> dict[Path, bytes]:
    try:
        contents = {path: _read_file(path) for path in sorted(folder.glob("*.yaml"))}
        others = list(folder.glob("*.yml"))
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
        raise DeclarationError([FileError(display_path(folder), 0, text)]) from None
    if others:
        raise DeclarationError(
            FileError(
                display_path(path),
                0,
                f"the file is not read (expected {path.stem}.yaml as its name)",
            )
            for path in others
        )
    return contents


def _read_file(path: Path) -> bytes:
    try:
        return source_file.read(path, path.parent)
    except UnreadableFile as error:
        raise DeclarationError([error.at(display_path(path))]) from None
    except OSError as error:
        text = f"the file cannot be read: {error.strerror}"
        raise DeclarationError([FileError(display_path(path), 0, text)]) from None


def display_path(path: Path) -> str:
    """Return *path* for messages, relative to the current folder if it is below it."""
    here = Path.cwd()
    absolute = path.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


#: Checks files with the templates and the id of one repository.
Check = Callable[[Files], Declaration]


def check(
    files: Files, template_root: Path = TEMPLATES, deployment: str = DEFAULT_DEPLOYMENT
) -> Declaration:
    """Return the declaration in *files* after all checks. See :func:`load`."""
    services = _parse_all(files.services)
    environments = {
        name: replace(doc, data={"deployment": deployment, **doc.data})
        for name, doc in _parse_all(files.environments).items()
    }
    known = {name: _reliable_data(doc) for name, doc in services.items()}
    environment_data = {name: doc.data for name, doc in environments.items()}
    faults: list[FileError] = []
    for name, doc in services.items():
        templates = _templates(template_root, name)
        errors = chain(
            service_checks.find_errors(
                doc.data, stem=name, templates=templates, environments=environments
            ),
            database_user.find_service_errors(doc.data, stem=name),
            database_ownership.find_errors(doc.data, stem=name, services=known),
        )
        faults += file_errors(ServiceDeclaration, doc, errors)
    for name, doc in environments.items():
        errors = chain(
            environment.find_errors(doc.data, stem=name, services=known),
            aws.find_errors(doc.data, stem=name, services=known),
            aws_rotation.find_errors(doc.data, stem=name, services=known),
            environment.find_like_errors(doc.data, stem=name, environments=environment_data),
            login.find_errors(doc.data, stem=name, services=known, pems=files.pems),
            people.find_errors(doc.data),
            shared_server.find_errors(doc.data, stem=name, services=known),
            shared_server.find_neighbour_errors(doc.data, stem=name, environments=environment_data),
            database_user.find_errors(doc.data, services=known),
            database_ownership.find_environment_errors(doc.data, services=known),
        )
        faults += file_errors(EnvironmentDeclaration, doc, errors)
    faults += _name_collisions(services, environments)
    if faults:
        raise DeclarationError(faults)
    pems = {name: content.decode(errors="replace") for name, content in files.pems.items()}
    return _declaration(services, environments, pems, template_root)


def _name_collisions(
    services: Mapping[str, Document], environments: Mapping[str, Document]
) -> Iterator[FileError]:
    """Return an error for each name on a server that two things would have."""
    folders = {"services": services, "environments": environments}

    def locate(claim: Claim) -> tuple[str, int]:
        doc = folders[claim.folder][claim.stem]
        return doc.file, doc.line(claim.loc)

    data = ({name: doc.data for name, doc in folder.items()} for folder in folders.values())
    for collision in derived_names.find_collisions(*data):
        yield FileError(*locate(collision.claim), collision.describe(locate))


def _declaration(
    services: Mapping[str, Document],
    environments: Mapping[str, Document],
    pems: Mapping[str, str],
    template_root: Path,
) -> Declaration:
    return Declaration(
        {name: ServiceDeclaration.model_validate(doc.data) for name, doc in services.items()},
        {
            Environment(name): EnvironmentDeclaration.model_validate(doc.data)
            for name, doc in environments.items()
        },
        pems,
        template_root,
    )


def _parse_all(contents: Mapping[Path, bytes]) -> dict[str, Document]:
    return {path.stem: document.read(display_path(path), text) for path, text in contents.items()}


def check_document(model: type[BaseModel], doc: Document, checks: Iterable[FieldError]) -> None:
    """Check that *doc* has no error. See :func:`file_errors`."""
    errors = [*file_errors(model, doc, checks)]
    if errors:
        raise DeclarationError(errors)


def file_errors(
    model: type[BaseModel], doc: Document, checks: Iterable[FieldError]
) -> Iterator[FileError]:
    """Return the errors of parsing, then those of *model*, then those of *checks*.

    An error of *checks* is omitted if *model* reports one at the same location.
    """
    yield from doc.errors
    invalid = tuple(_schema_errors(model, doc))
    yield from doc.locate(invalid)
    reported = {error.loc for error in invalid}
    yield from doc.locate(error for error in checks if error.loc not in reported)


def _schema_errors(model: type[BaseModel], doc: Document) -> Iterator[FieldError]:
    try:
        model.model_validate(doc.data)
    except ValidationError as error:
        yield from validation_errors.field_errors(model, error)


def _reliable_data(doc: Document) -> Mapping[str, Any] | None:
    """Return a service file's content, None if it cannot be parsed or has an unknown section.

    Such a section may be a misspelt one, whose names other checks would report as undeclared.
    """
    misspelt = doc.data.keys() - ServiceDeclaration.model_fields.keys()
    return doc.data if doc.readable and not misspelt else None


def _templates(template_root: Path, service: str) -> frozenset[str]:
    folder = template_root / service
    return frozenset(
        path.name
        for path in folder.glob("*.j2")
        if path.is_file() and source_file.is_inside(path, template_root)
    )
