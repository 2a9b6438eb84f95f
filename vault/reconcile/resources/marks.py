"""Marks in an object itself: the deployment that owns it, for objects that all deployments share.

Ownership metadata is in the KV mount of a deployment, which another one may not even read. But the
names of policies, password policies and groups belong to the whole server, and so do mounts.
Therefore these objects name their owner themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vault.declare.server_names import DEFAULT_DEPLOYMENT

#: The field of a resource with the owner that its mark names.
MARKED_BY: Final = "marked_by"

_ID: Final = r"(?P<id>[a-z][a-z0-9-]*)"
_LINE: Final = re.compile(
    rf"^# managed_by=strongroom deployment={_ID}[ \t]*(?:\n|\Z)", re.ASCII | re.MULTILINE
)
_DESCRIPTION: Final = re.compile(rf"(?P<text>.*) \(deployment {_ID}\)", re.ASCII)


def mark(deployment: str) -> str:
    """Return the first line of a text that *deployment* owns, a comment in HCL."""
    return f"# managed_by=strongroom deployment={deployment}"


def read_mark(text: str) -> str | None:
    """Return the owner that a line of *text* names, None if none does."""
    found = _LINE.search(text)
    return found["id"] if found else None


def strip_mark(text: str) -> str:
    """Return *text* without the line that names its owner."""
    return _LINE.sub("", text)


def describe(text: str, deployment: str) -> str:
    """Return the description of a mount that *deployment* made; the default one has no mark."""
    return text if deployment == DEFAULT_DEPLOYMENT else f"{text} (deployment {deployment})"


def described_owner(description: str, text: str) -> str | None:
    """Return the deployment that made the mount with *description*, None if none of ours did.

    Args:
        description: As it is on the server.
        text: The description of such a mount, without a mark.

    """
    if description == text:
        return DEFAULT_DEPLOYMENT
    found = _DESCRIPTION.fullmatch(description)
    return found["id"] if found and found["text"] == text else None


def metadata_owner(metadata: Mapping[str, str] | None) -> str | None:
    """Return the owner that the *metadata* of a group names, None if it names none."""
    found = metadata or {}
    return found.get("deployment") if found.get("managed_by") == "strongroom" else None
