"""Editor that adds secrets and settings to a service file, and preserves all other bytes.

New lines go after the last entry of their section, before the comments of the next section. The
whole declaration is checked with the new text before the file is replaced in one step.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML
from ruamel.yaml.nodes import Node

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from vault.declare import load
from vault.declare.edit import yaml_text
from vault.declare.load import Check

#: Content of one entry, with keys and values as in the file: ``{"source": "given"}``.
Spec = Mapping[str, str | int | bool]


def add(
    path: Path,
    section: Literal["secrets", "settings"],
    entries: Mapping[str, Spec],
    check: Check,
) -> None:
    """Add *entries* to a section of a service file."""
    path = path.absolute()
    with lock(path.parents[1], folder=True):
        files = load.read(path.parent.parent)
        if path not in files.services:
            raise ConfigurationError(
                f"{path} is not a service file (expected services/<name>.yaml)"
            )
        check(files)
        if entries:
            content = _with_entries(path, files.services[path], section, entries)
            check(replace(files, services={**files.services, path: content}))
            replace_file(path, content, mode=path.stat().st_mode & 0o777)


def _with_entries(path: Path, content: bytes, section: str, entries: Mapping[str, Spec]) -> bytes:
    """Return *content*, a valid service file, with *entries* added at the end of *section*."""
    text = content.decode()
    _, existing = yaml_text.entries(yaml_text.compose(text)).get(section, (None, None))
    if existing is None:
        lines = ["", f"{section}:", *render(entries, 2)]
        return yaml_text.insert(text, len(text), lines).encode()
    _check_new(path, section, existing, entries)
    indent = existing.value[0][0].start_mark.column
    place = yaml_text.end(existing, text)
    return yaml_text.insert(text, place, render(entries, indent)).encode()


def _check_new(path: Path, section: str, existing: Node, entries: Mapping[str, Spec]) -> None:
    if yaml_text.is_in_braces(existing):
        raise yaml_text.braces_error(path, existing, section, "write one entry a line, indented")
    for name, (key, _) in yaml_text.entries(existing).items():
        if name in entries:
            line = key.start_mark.line + 1
            raise ConfigurationError(
                f"{path}:{line}: {section}.{name} is already declared (expected a new name)"
            )


def render(entries: Mapping[str, Spec], indent: int) -> list[str]:
    """Return *entries* as indented lines of YAML."""
    yaml = YAML()
    yaml.width = 10_000  # characters, so that no value is folded
    # Escape unprintable characters, because YAML reads some of them, such as U+0085, as spaces.
    values = (value for spec in entries.values() for value in spec.values())
    yaml.allow_unicode = all(str(value).isprintable() for value in values)
    buffer = io.StringIO()
    yaml.dump({name: dict(spec) for name, spec in entries.items()}, buffer)
    return [" " * indent + line for line in buffer.getvalue().splitlines()]
