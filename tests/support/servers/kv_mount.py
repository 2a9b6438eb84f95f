"""KV mount that a test creates, and can use at once."""

from __future__ import annotations

from app_integration.errors import RequestRefused
from app_integration.session.session import Session
from tests.support.polling import wait_until


def create_kv_mount(session: Session, path: str, **settings: str) -> None:
    """Create a KV v2 mount, and wait while it upgrades itself, because it responds 400 then."""
    body = {"type": "kv", "options": {"version": "2"}, **settings}
    session.post(f"sys/mounts/{path}", body)
    wait_until(lambda: _is_upgraded(session, path), "the new KV mount")


def _is_upgraded(session: Session, path: str) -> bool:
    try:
        return bool(session.get(f"{path}/config"))
    except RequestRefused:
        return False
