"""Marks in an object itself: the deployment that owns it, for objects that all deployments share.

Ownership metadata is in the KV mount of a deployment, which another one may not even read. But the
names of policies, password policies and groups belong to the whole server, and so do mounts.
Therefore these objects name their owner themselves.

A mark of a newer format has its number: in metadata under the key ``managed_format``, in a text at
the end of the line. Format 1 is written without it, because otherwise the first plan after an
upgrade would change every object. A mount's description has no room for a number, and keeps its
form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration._internal import formats
from app_integration.errors import ConfigurationError
from vault.declare.server_names import DEFAULT_DEPLOYMENT

#: The field of a resource with the owner that its mark names.
MARKED_BY: Final = "marked_by"
#: The metadata key, and the word in a text's mark, with the format of the mark.
FORMAT_KEY: Final = "managed_format"

_ID: Final = r"(?P<id>[a-z][a-z0-9-]*)"
_LINE: Final = re.compile(
    rf"^# managed_by=strongroom deployment={_ID}(?: {FORMAT_KEY}=(?P<format>\S+))?[ \t]*(?:\n|\Z)",
    re.ASCII | re.MULTILINE,
)
_DESCRIPTION: Final = re.compile(rf"(?P<text>.*) \(deployment {_ID}\)", re.ASCII)


class UnreadableMark(ConfigurationError):
    """A mark in a format that this version does not read; nothing was written."""


def check_format(metadata: Mapping[str, object] | None, what: str) -> None:
    """Check that this version reads the marks in *metadata*.

    Args:
        metadata: Custom metadata, or that of a group.
        what: Kind and name of the object, for the error.

    Raises:
        UnreadableMark: If it does not.

    """
    _check_number((metadata or {}).get(FORMAT_KEY), what)


def _check_number(found: object, what: str) -> None:
    refusal = formats.MARK.describe_refusal(found)
    if refusal is not None:
        raise UnreadableMark(f"{what}: its ownership mark {refusal}. Nothing was written")


def mark(deployment: str) -> str:
    """Return the first line of a text that *deployment* owns, a comment in HCL."""
    return f"# managed_by=strongroom deployment={deployment}"


def read_mark(text: str, what: str) -> str | None:
    """Return the owner that a line of *text* names, None if none does.

    Args:
        text: As it is on the server.
        what: Kind and name of the object, for the error.

    Raises:
        UnreadableMark: If this version does not read the format of the mark.

    """
    found = _LINE.search(text)
    if found is None:
        return None
    _check_number(found["format"], what)
    return found["id"]


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


def metadata_owner(metadata: Mapping[str, str] | None, what: str) -> str | None:
    """Return the owner that the *metadata* of a group names, None if it names none.

    Args:
        metadata: As it is on the server.
        what: Kind and name of the group, for the error.

    Raises:
        UnreadableMark: If this version does not read the format of the mark.

    """
    found = metadata or {}
    check_format(found, what)
    return found.get("deployment") if found.get("managed_by") == "strongroom" else None
