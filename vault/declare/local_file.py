"""File ``strongroom.local.yaml``: where applications are on one machine. git ignores it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field
from ruamel.yaml import YAML

from app_integration._internal.private_file import replace_file
from vault.declare import load
from vault.declare.declaration import Declaration
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import AnyPath, ServiceName

FILE: Final = "strongroom.local.yaml"
_NEW: Final = "# Of this machine alone, so git must ignore it.\napplications:\n"


class Application(Section):
    """Where a service's application is on this machine."""

    path: AnyPath | None = Field(None, description="a folder, relative to the repository")
    python: AnyPath | None = Field(None, description="an interpreter, relative to path")


class LocalFile(Section):
    """The file ``strongroom.local.yaml``."""

    applications: Mapping[ServiceName, Application] = Field(
        {}, description="entries like 'tracking: {path: ../tracking}'"
    )


def with_local_applications(declaration: Declaration) -> Declaration:
    """Return *declaration* with ``config.path`` and ``config.python`` as this machine has them.

    Services that are not declared are ignored, because another branch may declare them.
    """
    for service, application in read(declaration.project).applications.items():
        if service in declaration.services:
            declaration = declaration.with_config(
                [service], application.model_dump(exclude_none=True)
            )
    return declaration


def set_application(root: Path, service: str, path: str) -> Path:
    """Write where the application of *service* is, and return the file. Its comments are kept."""
    read(root)
    file, is_new = root / FILE, not (root / FILE).exists()
    yaml = YAML()  # it keeps comments and quotes
    yaml.preserve_quotes, yaml.width = True, 10_000  # characters, so that no path is folded
    content = yaml.load(_NEW if is_new else file.read_bytes())
    content["applications"] = content.get("applications") or {}
    content["applications"].setdefault(service, {})["path"] = path
    buffer = io.BytesIO()
    yaml.dump(content, buffer)
    mode = 0o644 if is_new else file.stat().st_mode & 0o777
    replace_file(file, buffer.getvalue(), mode=mode)
    return file


def read(root: Path) -> LocalFile:
    """Return the file of the repository *root*, which is empty if there is none."""
    if not (root / FILE).exists():
        return LocalFile()
    doc = load.read_document(root / FILE)
    load.check_document(LocalFile, doc, ())
    return LocalFile.model_validate(doc.data)
