"""Session that the settings of an application describe."""

from __future__ import annotations

from app_integration.auth.from_settings import build_auth_method
from app_integration.auth.methods import AuthMethod
from app_integration.session.session import Session
from app_integration.settings import Settings


def open_session(settings: Settings, auth_method: AuthMethod | None = None) -> Session:
    """Return a session as *settings* describe it. Nothing is sent."""
    return Session(
        settings.require_address(),
        auth_method or build_auth_method(settings),
        extra_addresses=settings.extra_addresses,
        cacert=settings.vault_cacert,
        certificate=settings.auth.certificate,
        namespace=settings.vault_namespace,
        limits=settings.limits,
        mounts=settings.mounts,
        scope=settings.scope,
    )
