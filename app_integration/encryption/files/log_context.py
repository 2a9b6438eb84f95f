"""Context of a file of a log: whose it is, and where it is in the order of its writer's files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

from app_integration.encryption.files.preamble import Preamble, bind
from app_integration.errors import ConfigurationError, StrongroomError, raise_decryption_failed
from app_integration.names import Environment, Scope

WRITER_SIZE: Final = 16  # bytes
_LOG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_FAULTS: Final = (LookupError, TypeError, ValueError, StrongroomError)


def check_log_name(name: str) -> str:
    """Return *name* if it is a valid name of a log."""
    if not _LOG.fullmatch(name):
        raise ConfigurationError(
            f"log name {name!r}: use at most 64 letters, digits, '.', '-' and '_', beginning and "
            "ending with a letter or digit"
        )
    return name


@dataclass(frozen=True, slots=True)
class LogContext:
    """Context of one file. *sequence* counts the files of one *writer*, a process, from 1."""

    scope: Scope
    log: str
    writer: bytes
    sequence: int

    def encode(self) -> bytes:
        """Return the encoding, to which the file is bound."""
        return bind(self.scope, {"log": self.log, "writer": self.writer, "sequence": self.sequence})

    @classmethod
    def read(cls, preamble: Preamble) -> Self:
        """Return the context in the preamble of a file. A first frame proves it."""
        try:
            found = cls._from_entries(dict(preamble.context))
            is_valid = found.encode() == preamble.bound
        except _FAULTS:
            raise_decryption_failed("file")
        if not is_valid:
            raise_decryption_failed("file")
        return found

    @classmethod
    def _from_entries(cls, entries: dict[str, Any]) -> Self:
        """Return the context with *entries*; encoding it again shows whether there are others."""
        scope = Scope(entries["service"], Environment(entries["environment"]))
        log, writer, sequence = (entries[name] for name in ("log", "writer", "sequence"))
        if type(writer) is not bytes or len(writer) != WRITER_SIZE:
            raise ValueError
        if type(sequence) is not int or sequence < 1:
            raise ValueError
        return cls(scope, check_log_name(log), writer, sequence)
