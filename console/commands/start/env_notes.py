"""Remarks of ``import-env`` about the config file of a service."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from app_integration import names
from console.scaffold.new_config import field_name
from vault.declare.schema.model import ServiceDeclaration

#: Format of a config file → the line of its template that has a secret.
_LINES = {
    "json": '"{field}": {call},',
    "toml": "{field} = {call}",
    "dotenv": "{variable}={call}",
    "sh": "{variable}={call}",
}


def find_undelivered(
    service: ServiceDeclaration, new_secrets: Collection[str], templates: Path
) -> Iterator[str]:
    """Return a remark for each new secret, which no template of *service* can have yet."""
    if service.config is None:
        return
    template = templates / service.service / service.config.template
    for name in new_secrets:
        field, variable = field_name(name), names.variable_name(name)
        line = _LINES.get(service.config.format, "{field}: {call}")
        line = line.format(field=field, variable=variable, call=f'{{{{ secret("{name}") }}}}')
        yield (
            f"{name} is not in the config file: get_secret reads it, and the file gets it if you "
            f"add to {template}: {line}  and to {service.config.model}: {field}: SecretStr"
        )
