"""ARNs of secrets that are not named ``<service>/<environment>/<name>``, such as those of RDS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration import names
from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError

VARIABLE: Final = "STRONGROOM_SECRET_ARNS"
PATTERN: Final = (
    "arn:aws[a-z-]{0,12}:secretsmanager:[a-z0-9-]{1,32}:[0-9]{12}:secret:"
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
        if not re.fullmatch(PATTERN, arn, re.ASCII) or name in found:
            raise ConfigurationError(
                f"{VARIABLE} lists {word!r}; expected NAME=ARN once for each name, joined by "
                "commas, with the whole ARN of a secret: arn:aws:secretsmanager:…-AbCdEf"
            )
        found[names.check_secret_name(name)] = arn
    return found
