"""Store as a WSGI application."""

from __future__ import annotations

from typing import Final

from flask import Flask
from sqlalchemy import Engine

from app_integration import redaction
from app_integration.config.loader import ConfigFile
from app_integration.integrations.flask import serve_metrics
from examples.gaara_store import auth, database, health
from examples.gaara_store.config import StoreConfig
from examples.gaara_store.database import Users
from examples.gaara_store.orders import Orders
from examples.gaara_store.problems import register_error_handlers
from examples.gaara_store.request_metrics import measure_requests
from examples.gaara_store.routes import account, export, orders
from examples.gaara_store.signing import SigningKeys
from examples.gaara_store.store import EXTENSION, Store

MAX_REQUEST: Final = 64 * 1024  # bytes


def create_app(
    config_file: ConfigFile[StoreConfig] | None = None, engine: Engine | None = None
) -> Flask:
    """Create the tables and return the application.

    By default, *config_file* is what ``STRONGROOM_CONFIG`` names, and *engine* leases users.
    """
    redaction.install()
    config_file = config_file or ConfigFile(StoreConfig)
    engine = engine or database.connect(config_file.current().database.url)
    users = Users(engine)
    users.create_tables()
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST
    app.extensions[EXTENSION] = Store(config_file, users, SigningKeys(config_file), Orders(engine))
    for part in (auth, account, orders, export, health):
        app.register_blueprint(part.blueprint)
    serve_metrics(app)
    measure_requests(app)
    register_error_handlers(app, users.keys)
    return app
