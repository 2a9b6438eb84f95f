"""Wheel of the SDK alone, from the files of the tool that runs, because no index has it."""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import app_integration
from vault.archive import pack

_SDK: Final = Path(app_integration.__file__).parent
_WHEEL: Final = (
    "Wheel-Version: 1.0\nGenerator: strongroom\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)


@dataclass(frozen=True, slots=True)
class SdkWheel:
    """The wheel, as its project file describes it."""

    project: Mapping[str, Any]
    packages: Sequence[str]

    @property
    def name(self) -> str:
        """Return the name of the distribution."""
        return str(self.project["name"])

    @property
    def version(self) -> str:
        """Return its version."""
        return str(self.project["version"])

    @property
    def file_name(self) -> str:
        """Return the name of the wheel's file."""
        return f"{self._stem}-py3-none-any.whl"

    @property
    def requirements(self) -> dict[str, Sequence[str]]:
        """Return extra → what it needs; what all need is under an empty name."""
        return {"": self.project["dependencies"], **self.project["optional-dependencies"]}

    def build(self) -> bytes:
        """Return the wheel, the same bytes for the same version of the tool."""
        files = dict(self._modules())
        folder = f"{self._stem}.dist-info"
        files[f"{folder}/METADATA"] = self._metadata().encode()
        files[f"{folder}/WHEEL"] = _WHEEL.encode()
        files[f"{folder}/entry_points.txt"] = self._entry_points().encode()
        record = [f"{name},{_digest(content)},{len(content)}\n" for name, content in files.items()]
        files[f"{folder}/RECORD"] = "".join([*record, f"{folder}/RECORD,,\n"]).encode()
        return pack(files)

    @property
    def _stem(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    def _modules(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file of the packages."""
        for package in sorted(self.packages):
            _, *below = package.split(".")
            for file in sorted(_SDK.joinpath(*below).iterdir()):
                if file.suffix == ".py" or file.name == "py.typed":
                    path = file.relative_to(_SDK.parent).as_posix()
                    yield path, file.read_bytes()

    def _metadata(self) -> str:
        project = self.project
        lines = [
            "Metadata-Version: 2.4",
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Summary: {project['description']}",
            f"License-Expression: {project['license']}",
            *(f"Classifier: {each}" for each in project["classifiers"]),
            f"Requires-Python: {project['requires-python']}",
        ]
        for extra, requirements in self.requirements.items():
            lines += [f"Provides-Extra: {extra}"] * bool(extra)
            marker = f'; extra == "{extra}"' if extra else ""
            lines += [f"Requires-Dist: {each}{marker}" for each in requirements]
        return "\n".join([*lines, ""])

    def _entry_points(self) -> str:
        groups = self.project["entry-points"].items()
        return "\n".join(
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
            for group, entries in groups
        )


def read_project() -> SdkWheel:
    """Return the wheel that the SDK's project file describes, which the tool's wheel contains."""
    document = tomllib.loads((_SDK / "pyproject.toml").read_text(encoding="utf-8"))
    return SdkWheel(document["project"], document["tool"]["setuptools"]["packages"])


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
    return f"sha256={digest.rstrip('=')}"
