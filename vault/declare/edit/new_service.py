"""Editor that adds a service to a declaration: its file, and its entry in environment files.

All other bytes of the environment files are preserved, except the braces of an empty ``services``.
The whole declaration is checked with the new text before any file is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from vault.declare import load
from vault.declare.edit import yaml_text
from vault.declare.edit.service_file import Spec
from vault.declare.load import Check

_MODE = 0o644


def add_service(
    root: Path, name: str, text: str, entries: Mapping[Environment, Spec], check: Check
) -> None:
    """Add the service *name* to the declaration in *root*.

    The service file is written first, so that no environment names a service without a file if the
    process is killed. A service file with the same text was left by such a process.
    """
    root = root.absolute()
    path = root / "services" / f"{name}.yaml"
    with lock(root, folder=True):
        files = load.read(root)
        if files.services.get(path, text.encode()) != text.encode():
            raise ConfigurationError(f"{path} exists; edit it, or choose another name")
        changed = {
            file: _with_entry(file, files.environments[file], name, entry)
            for environment, entry in entries.items()
            for file in [root / "environments" / f"{environment}.yaml"]
            if not _has_entry(files.environments[file], name)
        }
        if path in files.services and not changed:
            raise ConfigurationError(f"{path} exists; edit it, or choose another name")
        check(
            replace(
                files,
                services={**files.services, path: text.encode()},
                environments={**files.environments, **changed},
            )
        )
        replace_file(path, text.encode(), mode=_MODE)
        for file, content in changed.items():
            replace_file(file, content, mode=file.stat().st_mode & 0o777)


def _has_entry(content: bytes, name: str) -> bool:
    services = yaml_text.entries(yaml_text.compose(content.decode()))["services"][1]
    return name in yaml_text.entries(services)


def _with_entry(path: Path, content: bytes, name: str, entry: Spec) -> bytes:
    """Return *content* with the service added at the end of ``services``."""
    text = content.decode()
    services = yaml_text.entries(yaml_text.compose(text))["services"][1]
    # JSON is YAML, and quotes an IPv6 address.
    body = ", ".join(f"{key}: {json.dumps(value)}" for key, value in entry.items())
    line = f"{name}: {{{body}}}"
    if services.value and yaml_text.is_in_braces(services):
        hint = "write one entry a line, indented"
        raise yaml_text.braces_error(path, services, "services", hint)
    if services.value:
        indent = " " * services.value[0][0].start_mark.column
        return yaml_text.insert(text, yaml_text.end(services, text), [indent + line]).encode()
    key = text[: services.start_mark.index].rstrip(" ")
    without = key + text[services.end_mark.index :]
    return yaml_text.insert(without, yaml_text.line_end(without, len(key)), [f"  {line}"]).encode()
