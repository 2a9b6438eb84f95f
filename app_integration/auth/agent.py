"""Tokens that an agent keeps alive: read from its sink, or added by its proxy."""

from __future__ import annotations

from pathlib import Path

from app_integration.auth.methods import AuthMethod, Post, Token, read_credential

#: What tells one state of a file from another: device, inode, size, time of change in ns.
_Stamp = tuple[int, int, int, int]


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
        self._read: _Stamp | None = None

    def login(self, post: Post) -> Token:  # noqa: ARG002 (the port's parameter)
        """What the file holds now; *post* isn't used."""
        stamp = self._stamp()
        value = read_credential(self._file, "STRONGROOM_TOKEN_FILE")
        self._read = stamp
        return Token(value=value, ttl=0.0, renewable=False)

    def has_new_credential(self) -> bool:
        """Whether the file is another than when it was read; one that is gone has not changed."""
        stamp = self._stamp()
        return stamp is not None and stamp != self._read

    def _stamp(self) -> _Stamp | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Proxy(AuthMethod):
    """An agent's proxy on this machine, which adds the agent's token to each request."""

    __slots__ = ()
    owns_token = False
    hint = "does the agent run whose proxy VAULT_ADDR names?"

    def login(self, post: Post) -> Token:  # noqa: ARG002 (the port's parameter)
        """No token; *post* isn't used."""
        return Token(value=None, ttl=0.0, renewable=False)
