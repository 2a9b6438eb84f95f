"""Config of a new service: its template, and the model that checks what the agent renders."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vault.declare.edit.yaml_text import quote

TEMPLATE: Final = "app.yaml.j2"
#: Type of a setting → annotation in the model.
_ANNOTATIONS: Final = {"text": "str", "integer": "int", "boolean": "bool"}
#: Names that a field of a model hides or may not have.
_RESERVED: Final = re.compile(
    "model_.*|construct|copy|dict|from_orm|json|parse_.*|schema(_json)?|validate"
)


@dataclass(frozen=True, slots=True)
class NewConfig:
    """Config of the service *service* with all of its *secrets* and *settings*."""

    service: str
    secrets: Sequence[str]
    folder: str = "."
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Return the name of the model's module."""
        return f"{self.service.replace('-', '_')}_config"

    def model_path(self, root: Path) -> Path:
        """Return the path of the model's module."""
        return root / self.folder / f"{self.module}.py"

    @property
    def is_outside(self) -> bool:
        """Return whether the application is outside of the repository: elsewhere in each clone."""
        return Path(self.folder).is_absolute() or Path(self.folder).parts[:1] == ("..",)

    @property
    def model(self) -> str:
        """Return the name of the model's class."""
        return "".join(word.capitalize() for word in self.service.split("-")) + "Config"

    def section(self) -> list[str]:
        """Return the lines of ``config`` in the service file."""
        lines = ["config:", f"  template: {TEMPLATE}", f"  model: {self.module}:{self.model}"]
        if self.folder != "." and not self.is_outside:
            lines.append(f"  path: {quote(self.folder)}")
        return lines + (["  settings:", *(f"  - {n}" for n in self.settings)] * bool(self.settings))

    def template(self) -> str:
        """Return the template."""
        lines = [f'{field_name(name)}: {{{{ secret("{name}") }}}}' for name in self.secrets]
        lines += [
            f'{field_name(name, "setting")}: {{{{ setting("{name}") }}}}' for name in self.settings
        ]
        return "\n".join([f"# Rendered by the agent, and checked by {self.model}.", *lines, ""])

    def source(self) -> str:
        """Return the module of the model."""
        fields = [f"    {field_name(name)}: SecretStr" for name in self.secrets]
        fields += [
            f"    {field_name(name, 'setting')}: {_ANNOTATIONS[kind]}"
            for name, kind in self.settings.items()
        ]
        imports = ["BaseModel", "ConfigDict", *(["SecretStr"] if self.secrets else [])]
        lines = [
            f'"""Config of {self.service}, as its agent delivers it."""',
            "",
            f"from pydantic import {', '.join(imports)}",
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


def field_name(name: str, prefix: str = "secret") -> str:
    """Return the identifier for the secret or setting *name*.

    It gets *prefix* if it is no identifier otherwise, or pydantic reserves it.
    """
    text = name.replace("-", "_").replace("/", "_")
    is_usable = text.isidentifier() and not keyword.iskeyword(text) and not text.startswith("_")
    return text if is_usable and not _RESERVED.fullmatch(text) else f"{prefix}_{text}"
