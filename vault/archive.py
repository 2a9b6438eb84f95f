"""ZIP archives, the same bytes for the same files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the ZIP archive of *files*, path → content, in their order.

    It is not compressed, because the bytes would depend on the version of zlib.
    """
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_STORED) as opened:
        for name, content in files.items():
            entry = ZipInfo(name, _NO_TIME)
            entry.external_attr = _MODE << 16
            opened.writestr(entry, content)
    return archive.getvalue()
