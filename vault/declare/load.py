"""Reading a declaration: every file, every fault, before anything else happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from app_integration.names import Environment
from vault.declare import source_file
from vault.declare.checks import database_user, environment, login, people
from vault.declare.checks import service as service_checks
from vault.declare.declaration import Declaration
from vault.declare.faults import DeclarationError, FieldError, FileError
from vault.declare.schema.model import EnvironmentDeclaration, ServiceDeclaration
from vault.declare.source_file import NotUsable
from vault.declare.yaml import document, explain
from vault.declare.yaml.document import Document

ROOT = Path(__file__).parent
TEMPLATES = ROOT.parents[1] / "agent" / "templates"


def load(root: Path = ROOT, template_root: Path = TEMPLATES) -> Declaration:
    """The declaration in ``services/*.yaml`` and ``environments/*.yaml`` below *root*.

    Templates that a service names must be files in ``<template_root>/<service>/``.

    Raises:
        DeclarationError: with every fault of every file, each with its place.

    """
    return check(read(root), template_root)


@dataclass(frozen=True, slots=True)
class Files:
    """What stands in the files, by path, before anything is understood of it."""

    services: Mapping[Path, bytes]
    environments: Mapping[Path, bytes]
    pems: Mapping[str, bytes] = field(default_factory=dict)  # by name, beside the environments


def read(root: Path) -> Files:
    """The content of every file of the declaration below *root*.

    Raises:
        DeclarationError: a folder or file can't be read, or a file's suffix isn't ``.yaml``.

    """
    environments = root / "environments"
    return Files(_contents(root / "services"), _contents(environments), _pems(environments))


def _pems(folder: Path) -> dict[str, bytes]:
    try:
        return {path.name: _content(path) for path in sorted(folder.glob("*.pem"))}
    except OSError as error:
        fault = FileError(_shown(folder), 0, f"holds a .pem that can't be read: {error.strerror}")
        raise DeclarationError([fault]) from None


def _contents(folder: Path) -> dict[Path, bytes]:
    try:
        contents = {path: _content(path) for path in sorted(folder.glob("*.yaml"))}
        others = list(folder.glob("*.yml"))
    except OSError as error:
        raise DeclarationError(
            [FileError(_shown(folder), 0, f"can't be read: {error.strerror}")]
        ) from None
    if others:
        raise DeclarationError(
            FileError(
                _shown(path), 0, f"the file is not read (expected {path.stem}.yaml as its name)"
            )
            for path in others
        )
    if not contents:
        text = "holds no declaration (expected files such as gaara-store.yaml or dev.yaml)"
        raise DeclarationError([FileError(_shown(folder), 0, text)])
    return contents


def _content(path: Path) -> bytes:
    try:
        return source_file.read(path, path.parent)
    except NotUsable as error:
        raise DeclarationError([error.at(_shown(path))]) from None


def _shown(path: Path) -> str:
    """*path* as an editor opens it: relative to the current folder when it is below."""
    here = Path.cwd()
    absolute = path.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def check(files: Files, template_root: Path = TEMPLATES) -> Declaration:
    """The declaration in *files*.

    Raises:
        DeclarationError: with every fault of every file, each with its place.

    """
    services = _documents(files.services)
    environments = _documents(files.environments)
    known = {name: _understood(doc) for name, doc in services.items()}
    readable = {name: doc.data for name, doc in environments.items()}
    faults: list[FileError] = []
    for name, doc in services.items():
        templates = _templates(template_root, name)
        problems = chain(
            service_checks.problems(doc.data, stem=name, templates=templates),
            database_user.service_problems(doc.data, stem=name),
        )
        faults += _faults(ServiceDeclaration, doc, problems)
    for name, doc in environments.items():
        problems = chain(
            environment.problems(doc.data, stem=name, services=known),
            login.problems(doc.data, stem=name, services=known, pems=files.pems),
            people.problems(doc.data),
            database_user.problems(doc.data, services=known),
            database_user.endpoint_problems(doc.data, stem=name, environments=readable),
        )
        faults += _faults(EnvironmentDeclaration, doc, problems)
    if faults:
        raise DeclarationError(faults)
    pems = {name: content.decode(errors="replace") for name, content in files.pems.items()}
    return _declaration(services, environments, pems)


def _declaration(
    services: Mapping[str, Document],
    environments: Mapping[str, Document],
    pems: Mapping[str, str],
) -> Declaration:
    return Declaration(
        {name: ServiceDeclaration.model_validate(doc.data) for name, doc in services.items()},
        {
            Environment(name): EnvironmentDeclaration.model_validate(doc.data)
            for name, doc in environments.items()
        },
        pems,
    )


def _documents(contents: Mapping[Path, bytes]) -> dict[str, Document]:
    return {path.stem: document.read(_shown(path), text) for path, text in contents.items()}


def _faults(
    model: type[BaseModel], doc: Document, checks: Iterable[FieldError]
) -> Iterator[FileError]:
    """What reading found, what *model* refuses, and of *checks* what isn't said by then."""
    yield from doc.faults
    refused = tuple(_refused(model, doc))
    yield from doc.judge(refused)
    said = {problem.loc for problem in refused}
    yield from doc.judge(problem for problem in checks if problem.loc not in said)


def _refused(model: type[BaseModel], doc: Document) -> Iterator[FieldError]:
    try:
        model.model_validate(doc.data)
    except ValidationError as error:
        yield from explain.problems(model, error)


def _understood(doc: Document) -> Mapping[str, Any] | None:
    """What a service's file says, or None when a section of it may be misspelt."""
    misspelt = doc.data.keys() - ServiceDeclaration.model_fields.keys()
    return doc.data if doc.readable and not misspelt else None


def _templates(template_root: Path, service: str) -> frozenset[str]:
    folder = template_root / service
    return frozenset(
        path.name
        for path in folder.glob("*.j2")
        if path.is_file() and source_file.is_inside(path, template_root)
    )
