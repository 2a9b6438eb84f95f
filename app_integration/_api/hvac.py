"""Public function for hvac's client, which uses the process's default client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_integration import default_client

if TYPE_CHECKING:
    import hvac


def hvac_client(*, timeout: float | None = None) -> hvac.Client:
    """Return an ``hvac.Client`` with the login, renewal, failover and deadline of the SDK.

    Each call returns another client; all use the session of the process. ``docs/howto/Hvac.md``
    lists the calls that differ from those of a plain client.

    Args:
        timeout: Seconds for each call with its retries; None for the limit ``deadline``.

    Raises:
        ConfigurationError: If the settings are incomplete.

    """
    from app_integration.hvac_adapter.adapter import build_hvac_client  # noqa: PLC0415 (loads hvac)

    return build_hvac_client(default_client.get_default_client().session, timeout)
