"""Tokens that an agent keeps alive: read from its sink, or added by its proxy."""

from __future__ import annotations

from pathlib import Path

from app_integration._internal.private_file import stamp
from app_integration.auth.methods import AuthMethod, Send, Token, read_credential


class TokenFile(AuthMethod):
    """A token in a file that somebody else keeps valid, such as an agent's sink.

    It is read again when the file has changed, and when the server refuses the token. It is never
    renewed or revoked: that is for whoever wrote it.
    """

    __slots__ = ("_file", "_read")
    owns_token = False
    hint = (
        "the token in STRONGROOM_TOKEN_FILE is no longer valid: does the agent run that writes it?"
    )

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read: tuple[int, ...] | None = None

    def login(self, send: Send) -> Token:  # noqa: ARG002 (the port's parameter)
        """What the file holds now; *send* isn't used."""
        found = self._content_stamp()
        value = read_credential(self._file, "STRONGROOM_TOKEN_FILE")
        self._read = found
        return Token(value=value, ttl=0.0, renewable=False)

    def has_new_credential(self) -> bool:
        """Whether the file is another than when it was read; one that is gone has not changed."""
        found = self._content_stamp()
        return found is not None and found != self._read

    def _content_stamp(self) -> tuple[int, ...] | None:
        """Return the file's stamp but for its last part, which a mere chmod changes too."""
        found = stamp(self._file)
        return None if found is None else found[:-1]


class Proxy(AuthMethod):
    """An agent's proxy on this machine, which adds the agent's token to each request."""

    __slots__ = ()
    owns_token = False
    hint = "does the agent run whose proxy VAULT_ADDR names?"

    def login(self, send: Send) -> Token:  # noqa: ARG002 (the port's parameter)
        """No token; *send* isn't used."""
        return Token(value=None, ttl=0.0, renewable=False)
