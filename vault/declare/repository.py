"""Repository of a deployment: the folder with ``strongroom.yaml``, and what is where below it.

A team keeps its declaration in a repository of its own. Commands find it from any folder inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, Field

from app_integration._internal import formats
from app_integration.errors import ConfigurationError
from vault.declare import load, policy_files
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError, FieldError, InvalidValue, format_value
from vault.declare.load import Files
from vault.declare.repository_root import FILE, find_own_root, find_root
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import PartName
from vault.declare.server_names import DEFAULT_DEPLOYMENT
from vault.declare.yaml import document

#: Format of the file and of the folders that it names.
FORMAT: Final = formats.REPOSITORY


def _specifier(value: str) -> str:
    try:
        SpecifierSet(value)
    except InvalidSpecifier:
        raise InvalidValue(f"is {format_value(value)}", "a version such as '>=0.1'") from None
    return value


def _folder(value: str) -> str:
    if Path(value).is_absolute() or ".." in Path(value).parts or "\0" in value:
        raise InvalidValue(f"is {format_value(value)}", "a path inside the repository")
    return value


Folder = Annotated[str, AfterValidator(_folder)]


class RepositoryFile(Section):
    """The file ``strongroom.yaml``."""

    format: int = Field(description=f"{FORMAT.current}, the format of the repository")
    requires: Annotated[str, AfterValidator(_specifier)] = Field(
        "", description="the versions of strongroom that may be used, such as '>=0.1'"
    )
    deployment: PartName = Field(
        DEFAULT_DEPLOYMENT, description="the id of environments whose file declares none"
    )
    declaration: Folder = Field(".", description="the folder of services/ and environments/")
    templates: Folder = Field("templates", description="the folder of <service>/<template>")
    policies: Folder = Field(
        "policies", description="the folder of <service>.tests.yaml, and of own policies"
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """Repository of a deployment."""

    root: Path
    declaration: Path
    templates: Path
    policies: Path
    deployment: str = DEFAULT_DEPLOYMENT

    def load(self) -> Declaration:
        """Load the declaration, and check all of it."""
        return self._with_policies(
            partial(load.load, self.declaration, self.templates, self.deployment, self.root)
        )

    def check(self, files: Files) -> Declaration:
        """Return the declaration in *files* after all checks."""
        return self._with_policies(partial(load.check, files, self.templates, self.deployment))

    def _with_policies(self, load_declaration: Callable[[], Declaration]) -> Declaration:
        """Return the declaration with the repository's own templates of policies."""
        templates, faults = policy_files.read_templates(self.policies)
        try:
            declared = load_declaration()
        except DeclarationError as error:
            raise DeclarationError([*error.errors, *faults]) from None
        if faults:
            raise DeclarationError(faults)
        return replace(declared, policy_templates=templates)

    def with_declaration(self, folder: Path) -> Repository:
        """Return the repository with the declaration in *folder*.

        Its ``templates`` and ``policies`` replace the repository's, if it has some.
        """
        templates, policies = folder / "templates", folder / "policies"
        return replace(
            self,
            declaration=folder,
            templates=templates if templates.is_dir() else self.templates,
            policies=policies if policies.is_dir() else self.policies,
        )


def open_repository(start: Path, declaration: Path | None = None) -> Repository:
    """Return the repository of the folder *start*, or of one above it.

    *declaration* is a folder in place of the repository's; with it, no repository is needed.
    """
    root = find_own_root(start)
    if declaration is not None:
        # Outside of a repository not the folder of *start*, in which another user may write.
        policies = declaration / "policies"
        outside = Repository(start, start, start / "templates", policies)
        found = read(root) if root else outside
        return found.with_declaration(declaration)
    if root is not None:
        return read(root)
    if other := find_root(start):
        raise ConfigurationError(
            f"{other / FILE} or its folder belongs to another user, who would decide which "
            "programs run and where credentials are sent; change to a repository of your own, or "
            "change the owner"
        )
    raise ConfigurationError(
        f"there is no {FILE} in {start} or in a folder above it; change to your deployment's "
        "repository, or make one with: strongroom init FOLDER"
    )


def read(root: Path, installed: str | None = None) -> Repository:
    """Return the repository in *root*."""
    doc = load.read_document(root / FILE)
    newer = doc.data.get("format")
    if isinstance(newer, int) and newer > FORMAT.current:
        # Not checked further, because a newer format may have other keys.
        what, expected = f"is {newer}", f"{FORMAT.current} at most; install a newer strongroom"
        raise DeclarationError(doc.locate([FieldError(("format",), what, expected)]))
    load.check_document(RepositoryFile, doc, _errors(doc, installed))
    file = RepositoryFile.model_validate(doc.data)
    return Repository(
        root,
        root / file.declaration,
        root / file.templates,
        root / file.policies,
        file.deployment,
    )


def _errors(doc: document.Document, installed: str | None) -> list[FieldError]:
    """Return the errors that the model does not find."""
    found = doc.data.get("format")
    if isinstance(found, int) and FORMAT.describe_refusal(found):
        return [FieldError(("format",), f"is {found}", FORMAT.readable)]
    try:
        accepted = SpecifierSet(str(doc.data.get("requires", "")))
    except InvalidSpecifier:
        return []
    if not accepted:
        return []  # in the containers' image the tool is not installed, and has no version
    running = Version(installed or version("strongroom"))
    if accepted.contains(running, prereleases=True):
        return []
    expected = f"one that {running} fulfils; correct it, or install strongroom{accepted}"
    return [FieldError(("requires",), f"is {format_value(str(accepted))}", expected)]
