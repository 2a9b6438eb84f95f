"""Services that wrap an application's keys, as its settings name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.settings import MEMORY, Settings

# Imported on first use, because not every application encrypts.
if TYPE_CHECKING:
    from app_integration.encryption.files.recipient import ServiceKey
    from app_integration.encryption.keys.services import KeyService
    from app_integration.encryption.transit import Transit


class KeyServices:
    """Key services of one application. Nothing is sent before one of them is used."""

    def __init__(
        self,
        settings: Settings,
        post: Callable[[str, Mapping[str, Any]], dict[str, Any]],
        call_kms: Callable[[str, Mapping[str, Any], Sequence[str]], dict[str, Any]],
    ) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._post = post
        self._call_kms = call_kms
        self._memory_services: dict[str, KeyService] = {}

    def open(self, key: str, scope: Scope | None = None, backend: str | None = None) -> KeyService:
        """Return the service that wraps data keys under a key of the service.

        *scope* and *backend* are by default those of the settings. The backend wraps; every other
        one that is configured unwraps what it wrapped earlier.
        """
        from app_integration.encryption.keys.services import combined

        chosen, name = backend or self._settings.backend, self._name(key, scope)
        if chosen == MEMORY:
            return self._open_memory(name)
        services = dict(self._open_all(name))
        if chosen not in services:
            raise ConfigurationError(
                f"the key {name} cannot be used on the backend {chosen}, which is not configured; "
                f"{combined.REMEDIES[chosen]}"
            )
        return combined.CombinedKeyService(chosen, services)

    def open_recipient(self, key: ServiceKey) -> KeyService:
        """Return the service of a recipient of a file. See :meth:`open`."""
        return self.open(key.name, key.scope)

    def open_transit(self, key: str) -> Transit:
        """Return the wrapper of the Transit engine for the service's key *key*."""
        from app_integration.encryption.transit import Transit

        settings = self._settings
        return Transit(self._post, self._name(key), settings.limits, settings.mounts)

    def _open_memory(self, name: str) -> KeyService:
        """Return the one service of *name*, which warns once."""
        from app_integration.encryption.keys.services.memory import MemoryKeyService

        if name not in self._memory_services:
            self._memory_services[name] = MemoryKeyService(name)
        return self._memory_services[name]

    def _name(self, key: str, scope: Scope | None = None) -> str:
        return (scope or self._settings.scope).key(key)

    def _open_all(self, name: str) -> Iterator[tuple[str, KeyService]]:
        """Yield each backend that is configured, with its service."""
        from app_integration.encryption.keys.services.combined import AWS, VAULT

        settings = self._settings
        # Without an address, the first request to Vault says what is missing.
        if settings.vault_addr or settings.backend == VAULT:
            from app_integration.encryption.keys.services.vault import VaultKeyService

            yield VAULT, VaultKeyService(self._post, name, settings.limits, settings.mounts)
        if keys := settings.kms_keys:
            from app_integration.encryption.keys.services.kms import KmsKeyService
            from app_integration.encryption.tokens import encryption_context

            yield AWS, KmsKeyService(self._call_kms, name, keys, encryption_context.decode)
