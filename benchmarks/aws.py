"""Benchmark of warm calls on AWS, beside Vault and beside the libraries of AWS.

    python -m benchmarks.aws [--turns 15]

All of them use the same moto server over HTTP. A warm call sends no request, because secrets and
data keys are cached.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest import mock

import aws_encryption_sdk as esdk
import boto3
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy
from aws_secretsmanager_caching import SecretCache
from moto.server import ThreadedMotoServer

from app_integration.auth.methods import StaticToken
from app_integration.aws.connection import AwsConnection
from app_integration.client import Client
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings
from app_integration.testing.dev_server import real_server
from benchmarks.memory_keys import MemoryRows
from benchmarks.ratio import Case, Run, repeated, run_cases

NAME: Final = "jwt-secret"
VALUE: Final = "a" * 32
TURNS: Final = 15
SHOP: Final = Scope("shop", Environment.DEV)
REGION: Final = "eu-central-1"
_SINGLE: Final = 20_000  # values in one turn
_IDENTITY: Final = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "benchmark",
    "AWS_DEFAULT_REGION": REGION,
}


@contextmanager
def cases() -> Iterator[Iterator[Case]]:
    """Run both servers and yield all cases."""
    with ExitStack() as stack:
        moto = stack.enter_context(_moto())
        key = _create(moto)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        vault = stack.enter_context(_vault_client())
        aws = stack.enter_context(_aws_client(moto, key, folder))
        yield chain(_secrets(aws, moto), _fields(aws, vault), _peers(_encrypt(aws), moto, key))


@contextmanager
def _moto() -> Iterator[str]:
    """Run moto's server and yield its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # because it logs each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        with mock.patch.dict(os.environ, _IDENTITY):
            yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def _create(endpoint: str) -> str:
    """Create a key and a secret, and return the key's ARN."""
    kms = boto3.client("kms", endpoint_url=endpoint)
    key: str = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/shop-dev-pii", TargetKeyId=key.rpartition("/")[2])
    secrets = boto3.client("secretsmanager", endpoint_url=endpoint)
    secrets.create_secret(Name=SHOP.secret(NAME), SecretString=VALUE)
    return key


@contextmanager
def _vault_client() -> Iterator[Client]:
    with real_server("embedded") as server:
        session = Session(server.address, StaticToken(Secret(server.root_token)))
        session.post("transit/keys/shop-dev-pii", {"derived": True})
        client = Client(Settings(SHOP, server.address), session=session)
        yield client
        client.close()


@contextmanager
def _aws_client(endpoint: str, key: str, folder: Path) -> Iterator[Client]:
    settings = Settings(
        SHOP,
        "",
        backend="aws",
        aws_region=REGION,
        kms_keys=(key,),
        audit_file=folder / "access.jsonl",
    )
    connection = AwsConnection(REGION, development=True, endpoint=endpoint)
    client = Client(settings, aws=connection)
    yield client
    client.close()


def _secrets(client: Client, endpoint: str) -> Iterator[Case]:
    """Yield a cached read; the floor is one of AWS's own caching client."""
    cache = SecretCache(client=boto3.client("secretsmanager", endpoint_url=endpoint))
    theirs = repeated(lambda: cache.get_secret_string(SHOP.secret(NAME)))
    ours = repeated(lambda: client.secrets.get(NAME))
    # Cached before the number of calls is found, which one request would make far too small.
    for run in (ours, theirs):
        run(1)
    yield Case("get_secret on AWS", ours, theirs, "AWS's caching client", bar=0.1)


def _fields(aws: Client, vault: Client) -> Iterator[Case]:
    """Yield the encryption of a value; the floor is the same with keys in Vault."""
    ours, floor = _encrypt(aws), _encrypt(vault)
    yield Case("encrypt_field, keys in KMS", ours, floor, "keys in Vault", calls=_SINGLE, bar=1.2)


def _encrypt(client: Client) -> Run:
    """Return a run that encrypts one value after the other, each bound to another context."""
    client.use_data_keys(MemoryRows())
    encrypt = client.cipher("pii").encrypt_field
    contexts = [{"user_id": each} for each in range(1000)]

    def run(times: int) -> None:
        for _ in range(times // len(contexts)):
            for context in contexts:
                encrypt(VALUE, context)

    return run


def _peers(ours: Run, endpoint: str, key: str) -> Iterator[Case]:
    """Yield the AWS Encryption SDK, with and without its cache; the floor is our SDK."""
    with mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL_KMS": endpoint}):
        provider = esdk.StrictAwsKmsMasterKeyProvider(key_ids=[key])
        cached = esdk.CachingCryptoMaterialsManager(
            master_key_provider=provider, cache=esdk.LocalCryptoMaterialsCache(100), max_age=3600.0
        )
        for name, options in (
            ("AWS Encryption SDK, cached", {"materials_manager": cached}),
            ("AWS Encryption SDK, not cached", {"key_provider": provider}),
        ):
            yield Case(name, _encrypt_by_peer(options), ours, "encrypt_field, keys in KMS")


def _encrypt_by_peer(options: dict[str, Any]) -> Run:
    """Return a run of the other SDK, in its fastest suite with key commitment.

    All rows have one context, because its cache is never hit otherwise.
    """
    client = esdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    return repeated(
        partial(
            client.encrypt,
            source=VALUE.encode(),
            algorithm=Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
            encryption_context={"table": "users.email"},
            **options,
        )
    )


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS))
