"""Marks in an object itself: the deployment that owns it, for objects that all deployments share.

The ownership metadata is in the KV mount of a deployment, which another one may not even read. A
mark of a newer format has its number, in metadata or at the end of the line in a text. Format 1 has
none, because otherwise the first plan after an upgrade would change every object; nor has a mount's
description, which has no room for it.
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
    """Check that this version reads the marks in *metadata*."""
    _check_number((metadata or {}).get(FORMAT_KEY), what)


def _check_number(found: object, what: str) -> None:
    refusal = formats.MARK.describe_refusal(found)
    if refusal is not None:
        raise UnreadableMark(f"{what}: its ownership mark {refusal}. Nothing was written")


def mark(deployment: str) -> str:
    """Return the first line of a text that *deployment* owns, a comment in HCL."""
    return f"# managed_by=strongroom deployment={deployment}"


def read_mark(text: str, what: str) -> str | None:
    """Return the owner that a line of *text* names, None if none does."""
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

    *text* is the description of such a mount without the mark.
    """
    if description == text:
        return DEFAULT_DEPLOYMENT
    found = _DESCRIPTION.fullmatch(description)
    return found["id"] if found and found["text"] == text else None


def metadata_owner(metadata: Mapping[str, str] | None, what: str) -> str | None:
    """Return the owner that the *metadata* of a group names, None if it names none."""
    found = metadata or {}
    check_format(found, what)
    return found.get("deployment") if found.get("managed_by") == "strongroom" else None
