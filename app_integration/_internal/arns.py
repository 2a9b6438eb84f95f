"""ARNs of KMS keys, and of secrets that others write, such as those of RDS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from app_integration import names
from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

VARIABLE: Final = "STRONGROOM_SECRET_ARNS"
KEY_ARN: Final = (
    "arn:aws[a-z-]{0,12}:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"  # and no alias
)
SECRET_ARN: Final = (
    "arn:aws[a-z-]{0,12}:secretsmanager:[a-z0-9-]{1,32}:[0-9]{12}:secret:"  # noqa: S105 (a pattern)
    "[A-Za-z0-9/_+=.@!-]{1,512}-[A-Za-z0-9]{6}"
)


def read_secret_arns(env: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each secret in ``STRONGROOM_SECRET_ARNS`` → its ARN.

    Raises:
        ConfigurationError: If it lists anything but ``name=ARN``, or a name twice.
        InvalidName: If a name is not valid.

    """
    found: dict[str, str] = {}
    for word in read_list(env, VARIABLE):
        name, _, arn = word.partition("=")
        if not re.fullmatch(SECRET_ARN, arn, re.ASCII) or name in found:
            raise ConfigurationError(
                f"{VARIABLE} lists {word!r}; expected NAME=ARN once for each name, joined by "
                "commas, with the whole ARN of a secret: arn:aws:secretsmanager:…-AbCdEf"
            )
        found[names.check_secret_name(name)] = arn
    return found


def region_of(arn: str) -> str:
    """Return the region in an ARN; an empty text if it has none."""
    parts = arn.split(":", 4)
    return parts[3] if len(parts) > 4 else ""  # noqa: PLR2004 (parts of an ARN)


def check_arns(region: str, keys: Iterable[str], secrets: Iterable[str]) -> None:
    """Raise an error if a text is no ARN, or in another region, where no request is sent.

    Otherwise each secret would read as one that does not exist, and its default would be used.

    Raises:
        ConfigurationError: If one is.

    """
    found = [(arn, KEY_ARN, "STRONGROOM_KMS_KEYS") for arn in keys]
    found += [(arn, SECRET_ARN, VARIABLE) for arn in secrets]
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
