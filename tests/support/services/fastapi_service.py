"""Entry point of the FastAPI service: ``python -m tests.support.services.fastapi_service PORT``."""

from __future__ import annotations

import signal
import sys

import uvicorn
from fastapi import FastAPI

from app_integration.integrations.fastapi import init
from examples.service_config import ServiceConfig, fail, sign

app = FastAPI()
config = init(app, ServiceConfig)


@app.get("/sign")
def sign_text(text: str) -> dict[str, str]:
    """Return the signatures of *text*."""
    return sign(text, config.current())


@app.get("/fail")
def fail_loudly() -> None:
    """Raise an exception that contains a secret, to show that the log redacts it."""
    fail(config.current())


if __name__ == "__main__":
    # uvicorn shuts down gracefully and then runs the previous signal handler, so that this one
    # makes the process exit with 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
