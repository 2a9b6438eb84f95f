"""First line of a rendered file: the versions of the KV secrets that the file contains.

The agent renders it with the rest, so that both are of one moment. A delivery removes it. A reader
that does not know it sees a comment in each format but JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app_integration.observability.recorder import UNKNOWN_VERSION

#: Start of the line. The rest is ``<service>/<environment>/<name>=<version>`` for each secret.
MARK: Final = "#strongroom-versions"
#: Bytes of the line; that of 1,000 secrets has about 100,000.
MAX_LINE: Final = 1024 * 1024

#: ``<service>/<environment>/<name>`` → the version.
Versions = Mapping[str, int]


class Rendered(NamedTuple):
    """Content of a rendered file."""

    data: bytes
    versions: Versions | None = None


def compose(versions: Mapping[str, str | int]) -> str:
    """Return the line for path of a secret → its version, or what renders to it."""
    fields = (f"{path}={version}" for path, version in versions.items())
    return f"{' '.join((MARK, *fields))}\n"


def split(data: bytes) -> Rendered:
    """Separate the line of versions from the other bytes.

    A line that cannot be parsed is removed all the same, because what only a metric needs must not
    prevent a delivery.
    """
    line, _, rest = data.partition(b"\n")
    words = line.split(b" ")
    if words[0] != MARK.encode():
        return Rendered(data)
    return Rendered(rest, _parse(words[1:]))


def is_versions(document: Any) -> bool:
    """Return whether *document* is a mapping from paths of secrets to known versions."""
    return isinstance(document, dict) and all(
        path.count("/") >= 2 and type(each) is int and each > UNKNOWN_VERSION  # noqa: PLR2004
        for path, each in document.items()
    )


def _parse(words: list[bytes]) -> Versions | None:
    versions: dict[str, int] = {}
    for word in words:
        path, _, number = word.decode(errors="replace").rpartition("=")
        if not (number.isascii() and number.isdigit()) or len(number) > 9:  # noqa: PLR2004
            return None
        versions[path] = int(number)
    return versions if is_versions(versions) else None
