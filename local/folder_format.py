"""Format of a deployment's folder, in its file ``format``.

A folder without the file has format 1: an earlier version made it, and it is taken over as it is.
"""

from __future__ import annotations

from app_integration._internal import formats
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError
from local.layout import MAX_FORMAT, Layout


class UnreadableFormat(ConfigurationError):
    """A deployment's folder that another version of the tool made; nothing was changed."""


def check(layout: Layout) -> None:
    """Check that this version reads the folder of the deployment."""
    try:
        with layout.format.open("rb") as file:
            found = file.read(MAX_FORMAT).decode("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UnreadableFormat(
            f"{layout.format} cannot be read: {error.strerror}; check its owner and mode"
        ) from None
    refusal = formats.FOLDER.describe_refusal(found)
    if refusal is not None:
        raise UnreadableFormat(f"{layout.format}: the deployment {refusal}. Nothing was changed")


def write(layout: Layout) -> None:
    """Store the format that this version writes, unless it is stored."""
    text = f"{formats.FOLDER.current}\n"
    if not layout.format.exists() or layout.format.read_text(encoding="ascii") != text:
        write_private(layout.format, text)
