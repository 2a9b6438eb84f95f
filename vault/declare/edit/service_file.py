"""Editor that adds secrets and settings to a service file, and preserves all other bytes.

New lines go after the last entry of their section, before the comments of the next section. The
whole declaration is checked with the new text before the file is replaced in one step.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from vault.declare import load
from vault.declare.load import Check

#: Content of one entry, with keys and values as in the file: ``{"source": "given"}``.
Spec = Mapping[str, str | int | bool]

_BLOCK_STYLES = {"|", ">"}


def add_secrets(path: Path, secrets: Mapping[str, Spec], check: Check = load.check) -> None:
    """Add *secrets* to a service file.

    Args:
        path: Service file.
        secrets: Name → content of the entry.
        check: Checks the declaration with the new text.

    Raises:
        ConfigurationError: If a name is already declared, or the section is written in braces. The
            file is unchanged.
        DeclarationError: If the declaration would be invalid with the entries. The file is
            unchanged.

    """
    with lock(path.parent, folder=True):
        _add(path, "secrets", secrets, check)


def add_settings(path: Path, settings: Mapping[str, Spec], check: Check = load.check) -> None:
    """Add *settings* to a service file.

    Args:
        path: Service file.
        settings: Name → content of the entry, with type and default.
        check: Checks the declaration with the new text.

    Raises:
        ConfigurationError: If a name is already declared, or the section is written in braces. The
            file is unchanged.
        DeclarationError: If the declaration would be invalid with the entries. The file is
            unchanged.

    """
    with lock(path.parent, folder=True):
        _add(path, "settings", settings, check)


def _add(path: Path, section: str, entries: Mapping[str, Spec], check: Check) -> None:
    path = path.absolute()
    files = load.read(path.parent.parent)
    if path not in files.services:
        raise ConfigurationError(f"{path} is not a service file (expected services/<name>.yaml)")
    check(files)
    if not entries:
        return
    content = _with_entries(path, files.services[path], section, entries)
    check(replace(files, services={**files.services, path: content}))
    replace_file(path, content, mode=path.stat().st_mode & 0o777)


def _with_entries(path: Path, content: bytes, section: str, entries: Mapping[str, Spec]) -> bytes:
    """Return *content*, a valid service file, with *entries* added at the end of *section*."""
    text = content.decode()
    newline = "\r\n" if "\r\n" in text else "\n"
    existing = _section(text, section)
    if existing is None:
        place, new = len(text), ["", f"{section}:", *_render(entries, 2)]
    else:
        _check_new(path, section, existing, entries)
        indent = existing.value[0][0].start_mark.column
        place, new = end(existing, text), _render(entries, indent)
    before, after = text[:place], text[place:]
    if not before.endswith("\n"):
        before += newline
    return (before + "".join(line + newline for line in new) + after).encode()


def _section(text: str, section: str) -> MappingNode | None:
    root = YAML(typ="safe", pure=True).compose(text)
    return next((value for key, value in root.value if key.value == section), None)


def _check_new(
    path: Path, section: str, existing: MappingNode, entries: Mapping[str, Spec]
) -> None:
    if existing.flow_style:
        line = existing.start_mark.line + 1
        raise ConfigurationError(
            f"{path}:{line}: {section} is written in braces (expected one entry a line, indented)"
        )
    for key, _ in existing.value:
        if key.value in entries:
            line = key.start_mark.line + 1
            raise ConfigurationError(
                f"{path}:{line}: {section}.{key.value} is already declared (expected a new name)"
            )


def end(node: Node, text: str) -> int:
    """Return the index in *text* of the line after *node*, before any comments that follow."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end(last[1] if isinstance(node, MappingNode) else last, text)
    mark: int = node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in _BLOCK_STYLES:
        mark = len(text[:mark].rstrip())  # the end mark of a block scalar is the next node's start
    line_end = text.find("\n", mark)
    return len(text) if line_end < 0 else line_end + 1


def _render(entries: Mapping[str, Spec], indent: int) -> list[str]:
    """Return *entries* as indented lines of YAML."""
    yaml = YAML()
    yaml.width = 10_000  # characters, so that no value is folded
    # Escape unprintable characters, because YAML reads some of them, such as U+0085, as spaces.
    values = (value for spec in entries.values() for value in spec.values())
    yaml.allow_unicode = all(str(value).isprintable() for value in values)
    buffer = io.StringIO()
    yaml.dump({name: dict(spec) for name, spec in entries.items()}, buffer)
    return [" " * indent + line for line in buffer.getvalue().splitlines()]
