"""Entry point of the Flask service: ``python -m tests.support.services.flask_service PORT``."""

from __future__ import annotations

import logging
import signal
import sys

from flask import Flask, Response, jsonify, request
from waitress import serve  # type: ignore[import-untyped] # it ships no types

from app_integration.integrations.flask import init
from examples.service_config import ServiceConfig, fail, sign

logging.basicConfig(level=logging.INFO)
app = Flask(__name__)
config = init(app, ServiceConfig)


@app.get("/sign")
def sign_text() -> Response:
    """Return the signatures of the query parameter ``text``."""
    return jsonify(sign(request.args["text"], config.current()))


@app.get("/fail")
def fail_loudly() -> Response:
    """Raise an exception that contains a secret, to show that the log redacts it."""
    fail(config.current())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(app, host="127.0.0.1", port=int(sys.argv[1]))
