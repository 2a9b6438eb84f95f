"""Patterns of names and paths, as regular expressions of DuckDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from app_integration.mounts import Mounts
from vault.declare.server_names import JOBS, server_name

#: Matches nothing, not even empty text.
_NOTHING: Final = r"[^\s\S]"


def build_names(environment: str, deployment: str, mounts: Mounts) -> dict[str, str]:
    """Return the name of each placeholder of a pattern."""
    jobs = {job.rpartition("-")[2]: server_name(deployment, job) for job in JOBS}
    return {
        **jobs,
        "environment": environment,
        "kv": mounts.kv,
        "transit": mounts.transit,
        "database": mounts.database,
        "approle": mounts.approle,
    }


def build_expression(patterns: Iterable[str], names: Mapping[str, str] | None = None) -> str:
    """Return an expression that matches, as a whole, each text that one of *patterns* matches.

    In a pattern ``*`` stands for any characters. Without *names*, braces stand for themselves.
    """
    parts = [_expression(each, names) for each in patterns]
    return f"(?s:{'|'.join(parts)})" if parts else _NOTHING


def _expression(pattern: str, names: Mapping[str, str] | None) -> str:
    text = pattern.format_map(names) if names is not None else pattern
    return ".*".join(re.escape(part) for part in text.split("*"))
