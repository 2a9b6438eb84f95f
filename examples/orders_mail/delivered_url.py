"""Connections to a server whose URL is delivered, and may change while the worker runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import SecretStr

T = TypeVar("T")


class DeliveredUrl(Generic[T]):
    """An object that connects to a URL, replaced when another URL is delivered."""

    def __init__(self, build: Callable[[str], T], close: Callable[[T], object]) -> None:
        self._build = build
        self._close = close
        self._built: tuple[str, T] | None = None

    def get(self, url: SecretStr) -> T:
        """Return the object for *url*."""
        text = url.get_secret_value()
        if self._built is None or self._built[0] != text:
            self.close()
            self._built = (text, self._build(text))
        return self._built[1]

    def close(self) -> None:
        """Close the object, if there is one."""
        if self._built is not None:
            built, self._built = self._built[1], None
            self._close(built)
