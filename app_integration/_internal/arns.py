"""ARNs of KMS keys, and of secrets that others write, such as those of RDS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from app_integration import names
from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

SECRET_ARNS: Final = "STRONGROOM_SECRET_ARNS"  # noqa: S105 (a name)
KMS_KEYS: Final = "STRONGROOM_KMS_KEYS"
KEY_ARN: Final = (
    "arn:aws[a-z-]{0,12}:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"  # and no alias
)
SECRET_ARN: Final = (
    "arn:aws[a-z-]{0,12}:secretsmanager:[a-z0-9-]{1,32}:[0-9]{12}:secret:"  # noqa: S105 (a pattern)
    "[A-Za-z0-9/_+=.@!-]{1,512}-[A-Za-z0-9]{6}"
)


def read_secret_arns(env: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each secret in ``STRONGROOM_SECRET_ARNS`` → its ARN."""
    found: dict[str, str] = {}
    for word in read_list(env, SECRET_ARNS):
        name, _, arn = word.partition("=")
        if not re.fullmatch(SECRET_ARN, arn, re.ASCII) or name in found:
            raise ConfigurationError(
                f"{SECRET_ARNS} lists {word!r}; expected NAME=ARN once for each name, joined by "
                "commas, with the whole ARN of a secret: arn:aws:secretsmanager:…-AbCdEf"
            )
        found[names.check_secret_name(name)] = arn
    return found


def is_key_arn(text: str) -> bool:
    """Return whether *text* is the ARN of a KMS key, and not of an alias."""
    return re.fullmatch(KEY_ARN, text, re.ASCII) is not None


def read_kms_keys(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ARNs in ``STRONGROOM_KMS_KEYS``, which commas separate; none if it is not set."""
    keys = read_list(env, KMS_KEYS)
    for key in keys:
        if not is_key_arn(key):
            raise ConfigurationError(
                f"{KMS_KEYS} lists {key!r}; expected ARNs of KMS keys, such as "
                "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
            )
    if len(set(keys)) < len(keys):
        raise ConfigurationError(f"{KMS_KEYS} lists a key twice; remove one")
    return keys


def region_of(arn: str) -> str:
    """Return the region in an ARN; an empty text if it has none."""
    parts = arn.split(":", 4)
    return parts[3] if len(parts) > 4 else ""  # noqa: PLR2004 (parts of an ARN)


def check_arns(region: str, keys: Iterable[str], secrets: Iterable[str]) -> None:
    """Raise an error if a text is no ARN, or in another region, where no request is sent.

    Otherwise each secret would read as one that does not exist, and its default would be used.
    """
    found = [(arn, KEY_ARN, KMS_KEYS) for arn in keys]
    found += [(arn, SECRET_ARN, SECRET_ARNS) for arn in secrets]
    for arn, pattern, variable in found:
        if not re.fullmatch(pattern, arn, re.ASCII):
            raise ConfigurationError(
                f"{arn!r} of {variable} is not a whole ARN; pass the whole one"
            )
        if (other := region_of(arn)) != region:
            raise ConfigurationError(
                f"AWS_REGION is {region!r}, and {arn} of {variable} is in {other}; correct one of "
                "the two"
            )
