"""A team's application: a package that the tool cannot import, and a virtual environment."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from vault.sdk_wheel import read_project

ROOT = Path(__file__).parents[3]
#: Its validation fails in the tool's interpreter, and otherwise leaves a trace of its own one.
MODEL = f"""
import sys
from pathlib import Path

from pydantic import BaseModel, Field


class Jwt(BaseModel):
    secret: str = Field(min_length=40)


class BillingConfig(BaseModel):
    jwt: Jwt

    def model_post_init(self, _context):
        if sys.prefix == {sys.prefix!r}:
            raise ValueError
        Path(__file__).with_name("validated-by").write_text(sys.executable)
"""


def make_venv(folder: Path, *import_paths: Path) -> Path:
    """Make a virtual environment that imports from *import_paths* too; return its interpreter."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "paths.pth").write_text("".join(f"{path}\n" for path in import_paths))
    return folder / "bin" / "python"


def install_sdk(python: Path) -> None:
    """Install the wheel of ``strongroom sdk-wheel`` without its dependencies."""
    wheel = read_project()
    file = python.parents[1] / wheel.file_name
    file.write_bytes(wheel.build())
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
    options = ["--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "install", *options, str(file)], check=True)


def make_application(folder: Path) -> Path:
    """Make an application with the model ``billing.config:BillingConfig`` in ``src``.

    The dependencies of the SDK come from this suite's own virtual environment.
    """
    package = folder / "src" / "billing"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "config.py").write_text(MODEL)
    # Of a folder in a .pth file no further .pth is read, so the tool itself is not found there.
    python = make_venv(folder / ".venv", Path(pytest.__file__).parents[1])
    install_sdk(python)
    return python
