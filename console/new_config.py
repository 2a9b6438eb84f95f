"""Config of a new service: its template, and the model that checks what the agent renders."""

from __future__ import annotations

import json
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TEMPLATE: Final = "app.yaml.j2"


@dataclass(frozen=True, slots=True)
class NewConfig:
    """Config of the service *service* with all of its *secrets*.

    Attributes:
        service: Name of the service.
        secrets: Names of its secrets.
        folder: Folder of the application, relative to the repository; the model is in it.

    """

    service: str
    secrets: Sequence[str]
    folder: str = "."

    @property
    def module(self) -> str:
        """Return the name of the model's module."""
        return f"{self.service.replace('-', '_')}_config"

    @property
    def model(self) -> str:
        """Return the name of the model's class."""
        return "".join(word.capitalize() for word in self.service.split("-")) + "Config"

    def section(self) -> list[str]:
        """Return the lines of ``config`` in the service file. JSON strings are YAML."""
        lines = ["config:", f"  template: {TEMPLATE}", f"  model: {self.module}:{self.model}"]
        return lines if self.folder == "." else [*lines, f"  path: {json.dumps(self.folder)}"]

    def template(self) -> str:
        """Return the template."""
        lines = [f'{_field(name)}: {{{{ secret("{name}") }}}}' for name in self.secrets]
        return "\n".join([f"# Rendered by the agent, and checked by {self.model}.", *lines, ""])

    def source(self) -> str:
        """Return the module of the model."""
        fields = [f"    {_field(name)}: SecretStr" for name in self.secrets]
        lines = [
            f'"""Config of {self.service}, as its agent delivers it."""',
            "",
            "from pydantic import BaseModel, ConfigDict, SecretStr",
            "",
            "",
            f"class {self.model}(BaseModel):",
            '    """A file that lacks a value, or has another one, never replaces the live one."""',
            "",
            '    model_config = ConfigDict(extra="forbid", frozen=True)',
            "",
            *fields,
            "",
        ]
        return "\n".join(lines)


def _field(secret: str) -> str:
    """Return the field of *secret*, which is an identifier."""
    name = secret.replace("-", "_").replace("/", "_")
    is_usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return name if is_usable else f"secret_{name}"
