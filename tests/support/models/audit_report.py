"""A report over lines made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import Environment, Scope
from vault.audit.ingest.index import Index
from vault.audit.report.declared_objects import Declared, DeclaredObject
from vault.audit.report.period import Period
from vault.audit.report.report import build_report
from vault.audit.store import open_store

DEV = Environment.DEV
JWT = "secret/data/shop/dev/jwt"
KV: dict[str, Any] = {"mount_type": "kv", "mount_point": "secret/"}
SHOP = Scope("shop", DEV)
MAY = Period(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
DECLARED = Declared(
    DEV,
    DEFAULT_MOUNTS,
    (SHOP, Scope("shop", Environment.PROD), Scope("mail", DEV)),
    (
        DeclaredObject("kv", "shop/dev/jwt", "shop", DEV, "secret", "jwt"),
        DeclaredObject("transit", "shop-dev-pii", "shop", DEV, "key", "pii"),
        DeclaredObject("database", "shop-dev", "shop", DEV, "database-role", "default"),
        DeclaredObject("kv", "mail/dev/smtp", "mail", DEV, "secret", "smtp"),
    ),
)


def report(store: Path, **options: Any) -> dict[str, Any]:
    """Return the report of May about a store."""
    with open_store(store) as connection:
        return build_report(connection, DECLARED, MAY, Index(store), **options)
