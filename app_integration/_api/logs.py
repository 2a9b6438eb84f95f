"""Public function for encrypted logs, which uses the process's default client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_integration import default_client

if TYPE_CHECKING:
    from app_integration.observability.encrypted_log import EncryptedLogHandler


def encrypted_log_handler(
    folder: Path | str, *, log: str = "app", key: str = "audit", **options: Any
) -> EncryptedLogHandler:
    """Return a handler for ``logging`` that encrypts each record for the readers of *key*.

    >>> logging.getLogger().addHandler(encrypted_log_handler("/var/log/shop"))  # doctest: +SKIP

    Args:
        folder: Folder of the files, which exists.
        log: Name of the log, with which the names of its files begin.
        key: The service's Transit key. The policy must grant ``encrypt`` with it, and no more.
        options: *max_bytes* and *max_age* in seconds, after which the next file starts; and
            *recipients* who can decrypt the files, too, such as public keys of age (``age1…``).

    Raises:
        AccessDenied: If the policy does not grant ``encrypt`` with the key.
        ConfigurationError: If this process may not write to the folder, or an argument is wrong.
        KeyUnavailable: If the key service cannot wrap a key now. There is no handler then.

    """
    from app_integration.observability.encrypted_log import EncryptedLogHandler  # noqa: PLC0415 (loads the ciphers)

    files = default_client.get_default_client().files(key)
    return EncryptedLogHandler(files, folder, log, **options)
