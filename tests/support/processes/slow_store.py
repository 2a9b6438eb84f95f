"""A version of the store whose requests take longer, by the seconds in a variable."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

from flask import Flask

from examples.gaara_store import __main__ as store
from examples.gaara_store.app import create_app

DELAY: Final = "SLOW_STORE_DELAY"


def create_slow_app() -> Flask:
    app, delay = create_app(), float(os.environ[DELAY])
    app.before_request(lambda: time.sleep(delay))
    return app


if __name__ == "__main__":
    setattr(store, "create_app", create_slow_app)  # noqa: B010 (it is not exported)
    sys.exit(store.main())
