"""A small declaration of an environment on AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from app_integration.names import Environment, Scope
from aws.account import Account
from tests.support.models.declaration_files import write_declaration
from tests.support.servers.moto_server import REGION
from vault.declare.declaration import Declaration

#: The account that moto's server has.
ACCOUNT: Final = Account("123456789012", REGION)
SCOPE: Final = Scope("shop", Environment("cloud"))
SERVICE: Final[dict[str, Any]] = {
    "service": "shop",
    "owner": "shop-team",
    "description": "Sells things.",
    "secrets": {
        "password": {
            "source": "generated",
            "length": 48,
            "rotate_every": "90d",
            "description": "Signs tokens.",
        },
        "smtp-password": {"source": "given"},
        "smtp-url": {"source": "derived", "format": "smtp://shop:{smtp-password}@mail"},
    },
    "keys": {
        "pii": {"allow": ["encrypt", "decrypt", "rewrap"], "rotate_every": "90d"},
        "audit": {"allow": ["encrypt"]},
    },
}
TOPICS: Final = f"arn:aws:sns:{REGION}:{ACCOUNT.id}"
MONITORING: Final[dict[str, Any]] = {
    "page": f"{TOPICS}:on-call",
    "ticket": f"{TOPICS}:team",
    "iam_roles": ["operator"],
}
#: Monitoring in which apply makes the topics and the trail.
MADE: Final[dict[str, Any]] = {"page": None, "ticket": None, "trail_bucket": "events-of-ours"}
ENVIRONMENT: Final[dict[str, Any]] = {
    "environment": "cloud",
    "owner": "platform-team",
    "aws": {"account": ACCOUNT.id, "region": REGION},
    "services": {"shop": {}},
}


def declare_on_aws(
    folder: Path, *, service: dict[str, Any] | None = None, **sections: Any
) -> Declaration:
    """Write the declaration of the service ``shop`` in the environment ``cloud``, and load it."""
    return write_declaration(folder, {**ENVIRONMENT, **sections}, {**SERVICE, **(service or {})})


def declare_watched(
    folder: Path,
    *,
    service: dict[str, Any] | None = None,
    roles: dict[str, Any] | None = None,
    **monitoring: Any,
) -> Declaration:
    """Write and load the same declaration, with monitoring, and with *roles* if there are any."""
    given = {key: value for key, value in {**MONITORING, **monitoring}.items() if value is not None}
    services = {"shop": {"iam_roles": ["shop-task"]}}
    aws = {**ENVIRONMENT["aws"], "monitoring": given, **({"roles": roles} if roles else {})}
    return declare_on_aws(folder, service=service, aws=aws, services=services)
