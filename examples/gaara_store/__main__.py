"""Entry point of the store: ``python -m examples.gaara_store``."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Final

from flask import Flask
from sqlalchemy.exc import OperationalError
from waitress import create_server  # type: ignore[import-untyped] # it ships no types

import app_integration
from app_integration.errors import ConfigurationError, StrongroomError
from examples.gaara_store.app import create_app

THREADS: Final = 8

log = logging.getLogger("gaara_store")


def main() -> int:
    """Serve until SIGTERM or SIGINT.

    The service manager should restart the store after an exit code of 1, because the server that
    was unavailable may have recovered.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        host = os.environ.get("STRONGROOM_STORE_HOST", "127.0.0.1")
        _serve(create_app(), host, os.environ.get("STRONGROOM_STORE_PORT", "8080"))
    except (StrongroomError, OperationalError) as error:
        log.error("the store cannot start: %s", error)  # noqa: TRY400 (the message is enough)
        return 1
    finally:
        # Revoke the lease of the database user, because no other process uses it.
        app_integration.close()
    return 0


def _serve(app: Flask, host: str, port: str) -> None:
    try:
        server = create_server(app, host=host, port=port, threads=THREADS)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"STRONGROOM_STORE_HOST is {host!r}, STRONGROOM_STORE_PORT is {port!r}: {error}"
        ) from None
    log.info("serving on http://%s:%s", host, port)
    server.run()


if __name__ == "__main__":
    sys.exit(main())
