"""Kinds of rotated items, apart from their inventory, which takes long to import."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kind of an item."""

    SECRET = "secret"  # noqa: S105 (a kind, not a secret)
    KEY = "key"
    INDEX_KEY = "index-key"
    STATIC_USER = "static-user"
    ROOT_USER = "root-user"
    USER_PAIR = "user-pair"
    SECRET_ID = "secret-id"  # noqa: S105 (a kind, not a secret)
