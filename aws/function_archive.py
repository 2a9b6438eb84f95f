"""Archive of the rotation function, the same bytes for the same version of the tool."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import app_integration
import aws
from aws import rotation

#: What ``Handler`` of the function is.
HANDLER: Final = "aws.rotation.handler.handler"
#: Distributions that the function needs besides boto3, which is part of Lambda's Python.
_DISTRIBUTIONS: Final = ("psycopg", "psycopg-binary", "tenacity", "typing-extensions")
#: Packages of the SDK that no function uses.
_LEFT_OUT: Final = "testing"
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644


def build_archive() -> bytes:
    """Return the ZIP file with the function's code and the SDK.

    It is not compressed, because the bytes would depend on the version of zlib.
    """
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_STORED) as opened:
        for name, file in sorted(_files()):
            entry = ZipInfo(name, _NO_TIME)
            entry.external_attr = _MODE << 16
            opened.writestr(entry, file.read_bytes())
    return archive.getvalue()


def list_requirements() -> str:
    """Return the file of requirements for pip, with the versions that this tool runs with."""
    return "".join(f"{name}=={version(name)}\n" for name in _DISTRIBUTIONS)


def _files() -> Iterator[tuple[str, Path]]:
    """Yield the name in the archive and the path of each file."""
    sdk = Path(app_integration.__file__).parent
    for file in sdk.rglob("*.py"):
        if file.relative_to(sdk).parts[0] != _LEFT_OUT:
            yield f"app_integration/{file.relative_to(sdk).as_posix()}", file
    yield "aws/__init__.py", Path(aws.__file__)
    for file in Path(rotation.__file__).parent.glob("*.py"):
        yield f"aws/rotation/{file.name}", file
