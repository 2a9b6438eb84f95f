"""Reader of unit files, as systemd.syntax(7) describes them."""

from __future__ import annotations

import re


def read_unit(text: str) -> dict[str, dict[str, list[str]]]:
    """Return section → key → values of a unit file."""
    sections: dict[str, dict[str, list[str]]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            sections.setdefault(name, {}).setdefault(key, []).append(value)
    return sections


def read_words(text: str) -> list[str]:
    """Return the words of a value of ``ExecStart``."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', text)
    plain = [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare for quoted, bare in words]
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]
