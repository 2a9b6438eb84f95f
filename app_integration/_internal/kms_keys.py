"""ARNs of the KMS keys that a service declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

VARIABLE: Final = "STRONGROOM_KMS_KEYS"
_KEY_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,12}:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}", re.ASCII
)


def is_key_arn(text: str) -> bool:
    """Return whether *text* is the ARN of a KMS key, and not of an alias."""
    return _KEY_ARN.fullmatch(text) is not None


def read_kms_keys(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ARNs in ``STRONGROOM_KMS_KEYS``, which commas separate; none if it is not set.

    Raises:
        ConfigurationError: If it lists anything else, or an ARN twice.

    """
    keys = read_list(env, VARIABLE)
    for key in keys:
        if not is_key_arn(key):
            raise ConfigurationError(
                f"{VARIABLE} lists {key!r}; expected ARNs of KMS keys, such as "
                "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            )
    if len(set(keys)) < len(keys):
        raise ConfigurationError(f"{VARIABLE} lists a key twice")
    return keys
