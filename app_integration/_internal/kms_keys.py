"""ARNs of the KMS keys that a service declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration._internal.arns import KEY_ARN
from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

VARIABLE: Final = "STRONGROOM_KMS_KEYS"


def is_key_arn(text: str) -> bool:
    """Return whether *text* is the ARN of a KMS key, and not of an alias."""
    return re.fullmatch(KEY_ARN, text, re.ASCII) is not None


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
