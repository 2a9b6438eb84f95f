"""Reader of a repository's folder ``policies``: its own templates, and tests of policies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from vault.declare import load, policy_template, source_file
from vault.declare.declaration import Declaration
from vault.declare.errors import (
    DeclarationError,
    FieldError,
    FileError,
    format_value,
    join_names,
    suggest,
)
from vault.declare.policy_template import PolicyTemplate
from vault.declare.schema.policy_tests import PolicyTest, PolicyTests
from vault.declare.source_file import UnreadableFile
from vault.declare.yaml.document import Document

#: The tool's own templates.
BASES: Final = load.PROJECT / "policies"
#: What the name of a file with tests ends with, after the name of the service.
TESTS_SUFFIX: Final = ".tests.yaml"


@dataclass(frozen=True, slots=True)
class TestRow:
    """A row of a file, with its place."""

    __test__ = False  # pytest would take the class for tests

    file: str
    line: int
    test: PolicyTest


def read_templates(folder: Path) -> tuple[dict[str, PolicyTemplate], tuple[FileError, ...]]:
    """Return the templates ``<name>.hcl.j2`` that replace the tool's, and the errors of others."""
    templates: dict[str, PolicyTemplate] = {}
    faults: list[FileError] = []
    for path in sorted(folder.glob("*.j2")):
        name, file = path.name.removesuffix(policy_template.SUFFIX), load.display_path(path)
        try:
            content = source_file.read(path, folder)
        except UnreadableFile as error:
            faults.append(error.at(file))
            continue
        found = policy_template.parse(file, name, content)
        if isinstance(found, PolicyTemplate):
            templates[name] = found
        else:
            faults.append(found)
    return templates, tuple(faults)


def read_tests(folder: Path, declaration: Declaration) -> dict[str, tuple[TestRow, ...]]:
    """Return the rows of each file ``<service>.tests.yaml``, by service."""
    faults: list[FileError] = []
    documents: dict[str, Document] = {}
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        service = path.name.removesuffix(TESTS_SUFFIX)
        if service not in declaration.services:
            faults.append(_name_error(path, declaration.services))
            continue
        doc = documents[service] = load.read_document(path)
        errors = chain(_unknown_environments(doc, declaration), _repetitions(doc))
        faults += load.file_errors(PolicyTests, doc, errors)
    if faults:
        raise DeclarationError(faults)
    return {service: tuple(_rows(doc)) for service, doc in documents.items()}


def _rows(doc: Document) -> Iterator[TestRow]:
    for index, test in enumerate(PolicyTests.model_validate(doc.data).tests):
        yield TestRow(doc.file, doc.line(("tests", index)), test)


def _name_error(path: Path, services: Collection[str]) -> FileError:
    """Return the error of a file's name, because rows in a file that is not read test nothing."""
    near = suggest(path.name.partition(".")[0], services)
    hint = f"; did you mean '{near}{TESTS_SUFFIX}'?" if near else ""
    files = join_names(f"{service}{TESTS_SUFFIX}" for service in services)
    text = f"the file's name is that of no declared service (expected {files}{hint})"
    return FileError(load.display_path(path), 0, text)


# The following skip values that the model rejects.


def _mappings(doc: Document) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row that is a mapping, with its index."""
    rows = doc.data.get("tests")
    for index, row in enumerate(rows if isinstance(rows, tuple) else ()):
        if isinstance(row, Mapping):
            yield index, row


def _unknown_environments(doc: Document, declaration: Declaration) -> Iterator[FieldError]:
    known = declaration.environments
    for index, row in _mappings(doc):
        named = row.get("environments")
        for position, name in enumerate(named if isinstance(named, tuple) else ()):
            if isinstance(name, str) and name not in known:
                what = f"is {format_value(name)}, which is not declared"
                loc = ("tests", index, "environments", position)
                yield FieldError(loc, what, join_names(known), suggest(name, known))


def _repetitions(doc: Document) -> Iterator[FieldError]:
    first: dict[str, int] = {}
    for index, row in _mappings(doc):
        # As text, because a wrong value may be one that cannot be a key.
        key = repr([row.get(name) for name in ("path", "capability", "environments")])
        line = first.setdefault(key, doc.line(("tests", index)))
        if line != doc.line(("tests", index)):
            what = f"repeats the path and capability of line {line}"
            yield FieldError(("tests", index), what, "each of them once")
