"""Services that wrap an application's keys, as its settings name them."""

from __future__ import annotations

from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.keys.services.combined import (
    AWS,
    REMEDIES,
    VAULT,
    CombinedKeyService,
)
from app_integration.encryption.keys.services.kms import Call, KmsKeyService
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.encryption.tokens import encryption_context
from app_integration.encryption.transit import Post
from app_integration.errors import ConfigurationError
from app_integration.settings import Settings


def open_key_service(
    settings: Settings, name: str, post: Post, call: Call, backend: str | None = None
) -> KeyService:
    """Return the service for one key. No request is sent.

    The backend wraps. Every other one that is configured unwraps what it wrapped earlier.

    Args:
        settings: The application's settings.
        name: The key's full name, as ``Scope.key`` returns it.
        post: Sends a request to Vault; called only for keys of Transit.
        call: Sends an operation of KMS; called only for keys of KMS.
        backend: The backend; None for that of the settings.

    Raises:
        ConfigurationError: If the backend is not configured.

    """
    chosen = backend or settings.backend
    services: dict[str, KeyService] = {}
    if settings.vault_addr or chosen == VAULT == settings.backend:
        services[VAULT] = VaultKeyService(post, name, settings.limits, settings.mounts)
    if settings.kms_keys:
        services[AWS] = KmsKeyService(call, name, settings.kms_keys, encryption_context.decode)
    if chosen not in services:
        raise ConfigurationError(
            f"the key {name} cannot be used on the backend {chosen}, which is not configured; "
            f"{REMEDIES[chosen]}"
        )
    return CombinedKeyService(chosen, services)
