"""A version of the store whose requests take longer."""

from __future__ import annotations

import sys
import time

from flask import Flask

from examples.gaara_store import __main__ as store
from examples.gaara_store.app import create_app


def create_slow_app() -> Flask:
    app = create_app()
    app.before_request(lambda: time.sleep(0.1))
    return app


if __name__ == "__main__":
    setattr(store, "create_app", create_slow_app)  # noqa: B010 (it is not exported)
    sys.exit(store.main())
