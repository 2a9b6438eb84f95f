"""A small declaration whose secrets a Lambda function rotates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tests.support.models.aws_declared import ACCOUNT, ENVIRONMENT, SERVICE, declare_on_aws
from vault.declare.declaration import Declaration

NAME: Final = "strongroom-rotation"
ARN: Final = ACCOUNT.function(NAME)
USERS: Final = ("shop_a", "shop_b")
SECRETS: Final[dict[str, Any]] = {
    **SERVICE["secrets"],
    "database-url": {"source": "given", "rotate_every": "30d", "retire_after": "1h"},
}
DATABASE: Final[dict[str, Any]] = {
    "engine": "postgresql",
    "name": "shop",
    "roles": {"default": {"ttl": "1h", "max_ttl": "24h"}},
}
AWS: Final[dict[str, Any]] = {**ENVIRONMENT["aws"], "rotation_function": NAME}
SERVICES: Final[dict[str, Any]] = {"shop": {"paired": {"database-url": {"usernames": [*USERS]}}}}


def declare_rotated(
    folder: Path, *, service: dict[str, Any] | None = None, **sections: Any
) -> Declaration:
    """Write and load the declaration, as ``declare_on_aws`` does."""
    sections = {"aws": AWS, "services": SERVICES, **sections}
    files = {"secrets": SECRETS, "database": DATABASE, "keys": {}, **(service or {})}
    return declare_on_aws(folder, service=files, **sections)
