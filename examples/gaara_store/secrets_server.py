"""Check of the server that the store reads its secrets from: Vault, or AWS Secrets Manager."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import Any, Final

from app_integration.settings import Settings, from_environment
from app_integration.transport.http import Transport
from examples.gaara_store.problems import Unavailable

TIMEOUT: Final = 2.0  # seconds
#: A secret that the store may describe on AWS. Its value is not read.
SECRET: Final = "jwt-secret"  # noqa: S105 (a name)


def ping_secrets() -> None:
    """Send one request to the server, unless secrets need none."""
    settings = from_environment()
    if settings.backend == "aws":
        _ping_aws(settings)
    elif settings.backend == "vault":
        _ping_vault(settings)


def _ping_vault(settings: Settings) -> None:
    address, cacert = settings.require_address(), settings.vault_cacert
    with closing(Transport(address, cacert=cacert, connect_timeout=TIMEOUT)) as transport:
        transport.send("GET", "sys/health?standbyok=true", timeout=TIMEOUT)


def _ping_aws(settings: Settings) -> None:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (an extra)

    try:
        _aws_client(settings.aws_region).describe_secret(SecretId=settings.scope.secret(SECRET))
    except (BotoCoreError, ClientError) as error:
        raise Unavailable("the secrets server", f"AWS: {type(error).__name__}") from None


@cache
def _aws_client(region: str) -> Any:
    """Return the client of all pings, because building one takes 50 ms."""
    import boto3  # noqa: PLC0415 (an extra, which takes 140 ms)
    from botocore.config import Config  # noqa: PLC0415 (as above)

    config = Config(
        connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}
    )
    return boto3.client("secretsmanager", region_name=region, config=config)
