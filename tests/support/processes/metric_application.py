"""Application that uses one secret, and shows its metrics on a port of its own.

The first line of its standard input is the token; each further line makes it fetch the secret
again, and load its delivered file if there is one. It prints its port, then the version after each
fetch.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from prometheus_client import start_http_server

from app_integration.auth.methods import StaticToken
from app_integration.config.loader import ConfigFile
from app_integration.errors import ConfigRejected
from app_integration.names import Environment, Scope
from app_integration.observability import metrics
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.sources.vault import VaultSource


class Document:
    @classmethod
    def model_validate(cls, _document: object, /) -> Document:
        """Return a model of nothing."""
        return cls()


def main(address: str, service: str, name: str, file: str) -> None:
    scope = Scope(service, Environment.DEV)
    metrics.set_environment("dev")
    session = Session(address, StaticToken(Secret(sys.stdin.readline().strip())))
    store = SecretStore(
        [VaultSource(session, scope)], AuditLog(scope, lambda _line: None), scope=scope
    )
    store.get(name)
    server, _thread = start_http_server(0, "127.0.0.1")
    _say(server.server_port)
    config: ConfigFile[Document] | None = None
    for _line in sys.stdin:
        with suppress(ConfigRejected):
            config = config or ConfigFile(Document, Path(file))
            config.reload_if_replaced()
        store.get(name, force_refresh=True)
        info = store.get_info(name)
        _say(info.version if info is not None else None)


def _say(number: int | str | None) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
