"""Skeleton of a config: its template, compiled to literal text and the places of secrets.

``strongroom agent build`` writes it, and it contains no secret. It is parsed here, never executed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from app_integration import names
from app_integration._internal import formats
from app_integration.errors import ConfigRejected, StrongroomError
from app_integration.names import Scope

#: File name of the skeleton of ``app.yaml``: the name with this at its end.
SUFFIX: Final = ".skeleton.json"
_MAX_SIZE: Final = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference to a secret by its name."""

    secret: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Place of one value. The texts among the parts of a URL are percent-encoded already."""

    line: int
    parts: tuple[str | Reference, ...]
    is_url: bool = False

    @property
    def secrets(self) -> Iterator[str]:
        """Return the names of the secrets in it, in order."""
        return (part.secret for part in self.parts if isinstance(part, Reference))


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Compiled template."""

    scope: Scope
    template: str
    file: str
    pieces: tuple[str | Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Return the slots, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Slot))

    @property
    def lines(self) -> Mapping[str, int]:
        """Return the name of each secret → the first line of the template with it."""
        found: dict[str, int] = {}
        for slot in self.slots:
            for secret in slot.secrets:
                found.setdefault(secret, slot.line)
        return found

    def place(self, line: int) -> str:
        """Return *line* of the template as errors show it."""
        return f"{self.template}:{line}"

    def to_json(self) -> str:
        """Return the JSON text that :meth:`read` reads."""
        data = {
            "format": formats.SKELETON.current,
            "service": self.scope.service,
            "environment": str(self.scope.environment),
            "template": self.template,
            "file": self.file,
            "pieces": [_piece_to_json(piece) for piece in self.pieces],
        }
        return f"{json.dumps(data, indent=1, ensure_ascii=False)}\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the skeleton in the file *path*."""
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_SIZE + 1)
        except OSError as error:
            raise ConfigRejected(
                f"{path} cannot be read: {error.strerror}; build it with strongroom agent build"
            ) from None
        if len(content) > _MAX_SIZE:
            raise ConfigRejected(f"{path} has more than {_MAX_SIZE} bytes; shorten the template")
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, origin: str) -> Self:
        """Return the skeleton in *content*."""
        build = "build it again with strongroom agent build"
        try:
            return cls._from_json(json.loads(content), origin)
        except ConfigRejected:
            raise
        except KeyError as error:
            raise ConfigRejected(f"{origin}: the key {error} is missing; {build}") from None
        except (AttributeError, TypeError, ValueError, RecursionError, StrongroomError) as error:
            kind = type(error).__name__
            raise ConfigRejected(f"{origin} is no skeleton ({kind}); {build}") from None

    @classmethod
    def _from_json(cls, data: Any, origin: str) -> Self:
        refusal = formats.SKELETON.describe_refusal(data["format"])
        if refusal is not None:
            raise ConfigRejected(f"{origin} {refusal}")
        json.dumps(data, ensure_ascii=False).encode()  # because JSON can name half a character
        template = str(data["template"])
        return cls(
            scope=Scope(data["service"], names.parse_environment(data["environment"])),
            template=template,
            file=str(data["file"]),
            pieces=tuple(_parse_piece(each, template) for each in data["pieces"]),
        )


def _piece_to_json(piece: str | Slot) -> object:
    if isinstance(piece, str):
        return piece
    parts = [part if isinstance(part, str) else {"secret": part.secret} for part in piece.parts]
    value = {"url": parts} if piece.is_url else {"secret": next(piece.secrets)}
    return {"line": piece.line, **value}


def _parse_piece(piece: Any, template: str) -> str | Slot:
    if isinstance(piece, str):
        return piece
    line = piece["line"]
    if type(line) is not int:
        raise TypeError
    if piece.keys() == {"line", "url"}:
        parts = piece["url"]
        return Slot(line, tuple(_parse_part(part, line, template) for part in parts), is_url=True)
    return Slot(line, (_parse_part({**piece, "line": line}, line, template),))


def _parse_part(part: Any, line: int, template: str) -> str | Reference:
    """Return a text or a secret. Anything beside its name is about values of another kind."""
    if isinstance(part, str):
        return part
    if part.keys() - {"line"} != {"secret"}:
        what = ", ".join(sorted(part.keys() - {"line", "secret"})) or "a value without a secret"
        raise ConfigRejected(
            f"{template}:{line}: the SDK cannot render {what}, which an agent can; deliver this "
            "file by an agent, or use a secret that is written"
        )
    return Reference(names.check_secret_name(part["secret"]))
