"""Editor that adds and removes the adopted secrets of a service in an environment file.

All other bytes of the file are preserved. The whole declaration is checked with the new text
before the file is replaced in one step. See :mod:`.service_file`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ruamel.yaml.nodes import Node

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from vault.declare import load
from vault.declare.edit.yaml_text import (
    compose,
    end,
    entries,
    insert,
    insert_in_braces,
    is_in_braces,
    remove_in_braces,
)
from vault.declare.load import Check

_SECTION = "adopted"


def add(path: Path, service: str, secret: str, username: str, check: Check) -> bool:
    """Declare that *service* has adopted *secret*, and return whether the file changed."""

    def change(text: str) -> str:
        if _adopted(text, service).get(secret):
            return text
        return _with_entry(text, service, secret, username)

    with lock(path.absolute().parents[1], folder=True):
        return _edit(path, change, check)


def remove(path: Path, service: str, secret: str, check: Check) -> bool:
    """Remove an adopted *secret* from an environment file, and return whether the file changed."""

    def change(text: str) -> str:
        adopted = _adopted(text, service)
        if secret not in adopted:
            return text
        parent, name = _service(text, service), _SECTION
        if len(adopted) > 1:
            parent, name = entries(parent)[_SECTION][1], secret
        if is_in_braces(parent):
            return remove_in_braces(text, parent, name)
        key, value = entries(parent)[name]
        begin = text.rfind("\n", 0, key.start_mark.index) + 1
        return text[:begin] + text[end(value, text) :]

    with lock(path.absolute().parents[1], folder=True):
        return _edit(path, change, check)


def _edit(path: Path, change: Callable[[str], str], check: Check) -> bool:
    path = path.absolute()
    files = load.read(path.parent.parent)
    if path not in files.environments:
        raise ConfigurationError(
            f"{path} is not an environment file (expected environments/<name>.yaml)"
        )
    check(files)
    before = files.environments[path].decode()
    after = change(before)
    if after == before:
        return False
    content = after.encode()
    check(replace(files, environments={**files.environments, path: content}))
    replace_file(path, content, mode=path.stat().st_mode & 0o777)
    return True


def _service(text: str, service: str) -> Node:
    services = entries(compose(text))["services"][1]
    return entries(services)[service][1]


def _adopted(text: str, service: str) -> dict[str, tuple[Node, Node]]:
    keys = entries(_service(text, service))
    return entries(keys[_SECTION][1]) if _SECTION in keys else {}


def _with_entry(text: str, service: str, secret: str, username: str) -> str:
    """Return *text* with the entry added at the end of the service's section.

    If the service has no such section, the function adds one at the end of the service.
    """
    node = _service(text, service)
    section = entries(node).get(_SECTION, (None, node))[1]
    entry = f"{secret}: {{username: {username}}}"
    if is_in_braces(section):
        added = f"{_SECTION}: {{{entry}}}" if section is node else entry
        return insert_in_braces(text, section, added)
    indent = " " * section.start_mark.column
    lines = [f"{indent}{entry}"]
    if section is node:
        lines = [f"{indent}{_SECTION}:", f"{indent}  {entry}"]
    return insert(text, end(section, text), lines)
