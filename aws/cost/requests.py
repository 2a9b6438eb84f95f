"""Requests that one process sends, as functions of how often it uses a secret or a key.

They are counted for a process that runs for *seconds*. Each count is what the SDK's caches lead to;
without them, it is the number of uses.
"""

from __future__ import annotations

from typing import Final

from app_integration.encryption.keys.usage_limits import RENEW_AT
from app_integration.settings import Limits

#: Share of its TTL after which a used secret is refreshed, on average: between a half and all.
REFRESH_AT: Final = 0.75


def count_reads(uses: float, seconds: float, limits: Limits) -> float:
    """Return the requests for one secret.

    One at the first use, then one for each refresh. A secret that is used once in a long time costs
    two requests for each use: it is refreshed once more, in case it is used again.

    Args:
        uses: Reads of the secret in *seconds*.
        seconds: How long the process runs.
        limits: Have the TTL of a cached secret.

    """
    refreshes = seconds / (REFRESH_AT * limits.cache_ttl)
    return min(2 * uses, 1 + refreshes)


def count_wraps(encrypted: float, seconds: float, limits: Limits) -> float:
    """Return the requests that wrap data keys, for one key.

    One at the first use, then one for each data key that reaches nine tenths of its age or of its
    messages.

    Args:
        encrypted: Values that are encrypted in *seconds*.
        seconds: How long the process runs.
        limits: Have the age and messages of a data key.

    """
    by_age = seconds / (RENEW_AT * limits.data_key_age)
    by_messages = encrypted / (RENEW_AT * limits.data_key_messages)
    return min(encrypted, 1 + max(by_age, by_messages))


def count_unwraps(decrypted: float, seconds: float, data_keys: float, limits: Limits) -> float:
    """Return the requests that unwrap data keys, for one key.

    A data key is cached for a day. If there are more than the cache has room for, the values are
    taken to be spread evenly, so that a part of them finds its data key in the cache.

    Args:
        decrypted: Values that are decrypted in *seconds*.
        seconds: How long the process runs.
        data_keys: Data keys that these values were encrypted with, those of all processes.
        limits: Have the age and number of cached data keys.

    """
    if data_keys > limits.data_key_cache:
        return decrypted * (1 - limits.data_key_cache / data_keys)
    return min(decrypted, data_keys * max(1.0, seconds / limits.data_key_age))
