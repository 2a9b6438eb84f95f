"""What a service has adopted, added to an environment's file or taken out; the rest stays.

As in :mod:`.service_file`, the whole declaration is checked with the new text first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from vault.declare import load
from vault.declare.edit import service_file

_SECTION = "adopted"


def add(
    path: Path, service: str, secret: str, username: str, template_root: Path = load.TEMPLATES
) -> bool:
    """Declare in the environment's file at *path* that *service* has adopted *secret*.

    Gives False when it does already.

    Raises:
        ConfigurationError: the place is written in braces; the file is as it was.
        DeclarationError: the declaration would not hold with it; the file is as it was.

    """

    def added(text: str) -> str:
        if _entries(text, service).get(secret):
            return text
        return _added(path, text, service, secret, username)

    with lock(path.parent, folder=True):
        return _change(path, added, template_root)


def remove(path: Path, service: str, secret: str, template_root: Path = load.TEMPLATES) -> bool:
    """Take *secret* out again; gives False when it isn't there.

    Raises:
        ConfigurationError: as :func:`add`.
        DeclarationError: as :func:`add`.

    """

    def removed(text: str) -> str:
        entries = _entries(text, service)
        if secret not in entries:
            return text
        keys = _mapping(_service(text, service))
        section = keys[_SECTION]
        gone = section if len(entries) == 1 else entries[secret]
        if len(entries) > 1 and _braces(section[1]):
            raise _in_braces(path, section[0], f"take {secret} out of it by hand")
        begin = text.rfind("\n", 0, gone[0].start_mark.index) + 1
        return text[:begin] + text[service_file.end(gone[1], text) :]

    with lock(path.parent, folder=True):
        return _change(path, removed, template_root)


def _change(path: Path, change: Callable[[str], str], template_root: Path) -> bool:
    path = path.absolute()
    files = load.read(path.parent.parent)
    if path not in files.environments:
        raise ConfigurationError(f"{path} is not an environment's file")
    load.check(files, template_root)
    before = files.environments[path].decode()
    after = change(before)
    if after == before:
        return False
    content = after.encode()
    load.check(replace(files, environments={**files.environments, path: content}), template_root)
    replace_file(path, content, mode=path.stat().st_mode & 0o777)
    return True


def _service(text: str, service: str) -> Node:
    root = YAML(typ="safe", pure=True).compose(text)
    return _mapping(_mapping(root)["services"][1])[service][1]


def _mapping(node: Node) -> dict[str, tuple[Node, Node]]:
    """Key → its node and that of its value."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: (key, value) for key, value in node.value}


def _entries(text: str, service: str) -> dict[str, tuple[Node, Node]]:
    keys = _mapping(_service(text, service))
    return _mapping(keys[_SECTION][1]) if _SECTION in keys else {}


def _added(path: Path, text: str, service: str, secret: str, username: str) -> str:
    """*text* with the entry at the end of the section, or a section at the end of the service."""
    node = _service(text, service)
    section = _mapping(node).get(_SECTION, (None, node))[1]
    entry = f"{secret}: {{username: {username}}}"
    if _braces(section):
        raise _in_braces(path, section, f"add {_SECTION}: {{{entry}}} to the service by hand")
    indent = " " * section.start_mark.column
    lines = [f"{indent}{entry}"]
    if section is node:
        lines = [f"{indent}{_SECTION}:", f"{indent}  {entry}"]
    newline = "\r\n" if "\r\n" in text else "\n"
    place = service_file.end(section, text)
    before = text[:place]
    if not before.endswith("\n"):
        before += newline
    return before + "".join(line + newline for line in lines) + text[place:]


def _braces(node: Node) -> bool:
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _in_braces(path: Path, node: Node, instead: str) -> ConfigurationError:
    line = node.start_mark.line + 1
    return ConfigurationError(f"{path}:{line}: it is written in braces; {instead}")
