"""Parts for tests of the example store: real Redis and SMTP servers, data keys wrapped here."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app_integration.errors import KeyUnavailable
from app_integration.files import write_private
from tests.deployment import free_ports
from vault.runtime.layout import Layout
from vault.runtime.ports import HOST, Ports
from vault.runtime.processes import Processes
from vault.runtime.smtp import Smtp
from vault.runtime.valkey import Valkey

DOCUMENT: dict[str, Any] = {
    "database": {"url": "postgresql+psycopg://nobody:unused-database-password@127.0.0.1/store"},
    "redis": {"url": "redis://:unused-redis-password@127.0.0.1:1/0"},
    "jwt": {"secret": "signing-key-number-one-of-the-unit-tests"},
    "smtp": {
        "host": HOST,
        "port": 1,
        "username": "gaara-store",
        "password": "unused-smtp-password",
    },
}


@dataclass(frozen=True)
class Servers:
    """What runs, and the config that leads there."""

    redis: Valkey
    smtp: Smtp
    mail: Path
    document: dict[str, Any]


@contextmanager
def running_servers(root: Path) -> Iterator[Servers]:
    """Valkey and the SMTP sink, their files below *root*."""
    layout, ports = Layout(root / ".strongroom"), Ports(*free_ports(6))
    layout.create()
    processes = Processes(layout)
    redis = Valkey(layout, ports, processes)
    smtp = Smtp(layout, ports, processes, "gaara-store")
    document = copy.deepcopy(DOCUMENT)
    try:
        redis.start()
        smtp.start()
        document["redis"]["url"] = redis.url().reveal()
        document["smtp"] |= {"port": smtp.port, "password": smtp.password().reveal()}
        yield Servers(redis, smtp, layout.mail, document)
    finally:
        redis.stop()
        smtp.stop()


def deliver(document: dict[str, Any], path: Path) -> None:
    """Put *document* at *path*, as the agent does."""
    write_private(path, f"{json.dumps(document)}\n")


class LocalKeys:
    """A key service of this process; *away* makes it unreachable."""

    def __init__(self) -> None:
        self.away = False
        self._cipher = AESGCM(os.urandom(32))

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._check()
        nonce = os.urandom(12)
        return [nonce + self._cipher.encrypt(nonce, key, scope) for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._check()
        return [self._cipher.decrypt(key[:12], key[12:], scope) for key in wrapped]

    def _check(self) -> None:
        if self.away:
            raise KeyUnavailable("the key service is away")
