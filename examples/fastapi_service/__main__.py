"""Serves it: ``python -m examples.fastapi_service PORT``."""

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
    """Sign *text*."""
    return sign(text, config.current())


@app.get("/fail")
def fail_loudly() -> None:
    """Show what of a secret in an exception gets into the log."""
    fail(config.current())


if __name__ == "__main__":
    # uvicorn ends gracefully, and then does with the signal what was to be done before.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
