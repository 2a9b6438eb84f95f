"""Region and endpoints of AWS from the environment, and their validation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError
from app_integration.names import Environment

_REPLICAS: Final = "STRONGROOM_AWS_REPLICAS"
_ENDPOINT: Final = "AWS_ENDPOINT_URL"  # and its forms for one service: AWS_ENDPOINT_URL_KMS
REGION_PATTERN: Final = "[a-z]+(?:-[a-z0-9]+)+"


def read_region(env: Mapping[str, str], *, optional: bool = False) -> str:
    """Return ``AWS_REGION``, or else ``AWS_DEFAULT_REGION``.

    Both are read, because boto3 ignores the first, which ECS, EKS and Lambda set. If *optional*,
    neither need be set; the region is empty then.
    """
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ""
    return "" if optional and not region else check_region(region)


def check_region(region: str) -> str:
    """Return *region*, or raise ConfigurationError if it is empty or not a region."""
    if not region:
        raise ConfigurationError("AWS_REGION is not set; name the region, such as eu-central-1")
    if not re.fullmatch(REGION_PATTERN, region, re.ASCII):
        raise ConfigurationError(f"AWS_REGION is {region!r}; name a region, such as eu-central-1")
    return region


def read_replicas(env: Mapping[str, str], region: str) -> tuple[str, ...]:
    """Return the regions in ``STRONGROOM_AWS_REPLICAS``, which commas separate."""
    found = read_list(env, _REPLICAS)
    wrong = [each for each in found if not re.fullmatch(REGION_PATTERN, each, re.ASCII)]
    if wrong or len({region, *found}) <= len(found):
        raise ConfigurationError(
            f"{_REPLICAS} is {env[_REPLICAS]!r}; name regions, joined by commas, other than "
            "AWS_REGION, each once"
        )
    return found


def check_endpoints(env: Mapping[str, str], environment: Environment) -> None:
    """Raise an error if a variable makes boto3 send requests without TLS outside dev."""
    for variable, address in env.items():
        if variable.startswith(_ENDPOINT):
            check_endpoint(variable, address, development=environment.is_dev)


def check_endpoint(where: str, address: str, *, development: bool) -> None:
    """Raise an error if *address* is without TLS outside development."""
    if address and not address.lower().startswith("https://") and not development:
        raise ConfigurationError(
            f"{where} is an address without TLS, which is for development only; use https://, or"
            " remove it"
        )
