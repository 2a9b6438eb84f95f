"""Archive of the rotation function, the same bytes for the same version of the tool."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import app_integration
import aws
from aws import rotation
from vault.archive import pack

#: Python of Lambda that the layer is built for.
RUNTIME: Final = "python3.13"
#: What ``Handler`` of the function is.
HANDLER: Final = "aws.rotation.handler.handler"
#: Distributions that the function needs besides boto3, which is part of Lambda's Python.
_DISTRIBUTIONS: Final = ("psycopg", "psycopg-binary", "tenacity", "typing-extensions")
#: Packages of the SDK that no function uses.
_LEFT_OUT: Final = "testing"


def build_archive() -> bytes:
    """Return the ZIP file with the function's code and the SDK."""
    return pack({name: file.read_bytes() for name, file in sorted(_files())})


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
