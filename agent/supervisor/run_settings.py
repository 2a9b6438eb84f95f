"""Configuration file of the supervisor, ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from agent.supervisor.delivered_file import DeliveredFile
from app_integration import names
from app_integration._internal import formats
from app_integration.errors import ConfigurationError
from app_integration.settings import Auth, Settings

_INVALID: Final = (AttributeError, TypeError, ValueError, RecursionError, ConfigurationError)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Configuration of the supervisor.

    An issued secret-id must be unwrapped and used within *wrap_ttl* seconds. *generation* is a
    digest of all files of the unit and the starter's secret-id, so that a change of any of them
    changes ``run.json``.
    """

    starter: Settings
    wrap_ttl: int
    program: Path
    agent_config: Path
    secret_id_file: Path
    python: Path
    working_directory: Path
    deliveries: tuple[DeliveredFile, ...]
    generation: str = ""

    @classmethod
    def from_bytes(cls, content: bytes, path: Path) -> Self:
        """Return the settings in *content*."""
        try:
            return cls._from_json(json.loads(content))
        except KeyError as error:
            raise ConfigurationError(f"{path}: the key {error} is missing; add it") from None
        except _INVALID as error:
            raise ConfigurationError(f"{path}: {error}; build it again") from None

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Self:
        refusal = formats.RUN_FILE.describe_refusal(data.get("format"))
        if refusal is not None:
            raise ValueError(f"the configuration {refusal}, and start its supervisor")
        return cls(
            starter=Settings(
                scope=names.Scope(data["service"], names.parse_environment(data["environment"])),
                vault_addr=data["vault_addr"],
                vault_cacert=_path(data.get("vault_cacert")),
                role_id_file=_path(data["starter_role_id_file"]),
                secret_id_file=_path(data["starter_secret_id_file"]),
                auth=Auth(mount=data.get("approle_mount", "")),
            ),
            wrap_ttl=int(data["wrap_ttl"]),
            program=Path(data["program"]),
            agent_config=Path(data["agent_config"]),
            secret_id_file=Path(data["secret_id_file"]),
            python=Path(data["python"]),
            working_directory=Path(data["working_directory"]),
            deliveries=tuple(map(DeliveredFile.from_json, data["deliveries"])),
            generation=_generation(data.get("generation", "")),
        )

    def to_json(self) -> str:
        """Return the JSON text that :meth:`from_bytes` reads."""
        starter = self.starter
        data = {
            "service": starter.scope.service,
            "environment": starter.scope.environment,
            "vault_addr": starter.require_address(),
            "vault_cacert": _text(starter.vault_cacert),
            "starter_role_id_file": _text(starter.role_id_file),
            "starter_secret_id_file": _text(starter.secret_id_file),
            "approle_mount": starter.auth.mount,
            "wrap_ttl": self.wrap_ttl,
            "program": str(self.program),
            "agent_config": str(self.agent_config),
            "secret_id_file": str(self.secret_id_file),
            "python": str(self.python),
            "working_directory": str(self.working_directory),
            "deliveries": [delivery.to_json() for delivery in self.deliveries],
            "generation": self.generation,
        }
        return f"{json.dumps(data, indent=2)}\n"


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _generation(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("the generation is not a text; write it as a string")
    return text
