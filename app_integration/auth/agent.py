"""Auth methods for tokens that an agent keeps valid: from its sink file, or added by its proxy."""

from __future__ import annotations

from pathlib import Path

from app_integration.auth.credential_file import content_stamp, read_credential
from app_integration.auth.methods import AuthMethod, Send, Token


class TokenFile(AuthMethod):
    """A token in a file that another process keeps valid, such as an agent's sink.

    The file is read again when it has changed, and when the server rejects the token. The token is
    never renewed or revoked here, because the process that wrote the file does that.
    """

    __slots__ = ("_file", "_last_stamp")
    owns_token = False
    hint = (
        "the token in STRONGROOM_TOKEN_FILE is no longer valid: check that the agent that writes it"
        " is running"
    )

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last_stamp: tuple[int, ...] | None = None

    def login(self, send: Send) -> Token:  # noqa: ARG002 (a parameter of the interface)
        """Return the token that the file holds now; *send* is not used."""
        found = content_stamp(self._file)
        value = read_credential(self._file, "STRONGROOM_TOKEN_FILE")
        self._last_stamp = found
        return Token(value=value, ttl=0.0, renewable=False)

    def has_new_credential(self) -> bool:
        """Return whether the file has changed since it was read. A deleted file has not changed."""
        found = content_stamp(self._file)
        return found is not None and found != self._last_stamp


class Proxy(AuthMethod):
    """A proxy of an agent on this machine, which adds the agent's token to each request."""

    __slots__ = ()
    owns_token = False
    hint = "check that the agent whose proxy VAULT_ADDR names is running"

    def login(self, send: Send) -> Token:  # noqa: ARG002 (a parameter of the interface)
        """Return an empty token, because the proxy adds the real one; *send* is not used."""
        return Token(value=None, ttl=0.0, renewable=False)
