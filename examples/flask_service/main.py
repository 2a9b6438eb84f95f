"""Application: ``gunicorn examples.flask_service.main:app``."""

from __future__ import annotations

import hmac
import logging
from typing import Any, NoReturn

from flask import Flask
from sqlalchemy import select, text

from app_integration import redaction
from app_integration.integrations.flask import serve_metrics
from examples.flask_service import config, jobs
from examples.flask_service.database import session
from examples.flask_service.models import Parcel

logging.basicConfig(level=logging.INFO)
redaction.install()
app = Flask(__name__)
app.config.from_object(config)
serve_metrics(app)


@app.teardown_appcontext
def remove_session(_error: BaseException | None) -> None:
    """Return the connection of the request."""
    session.remove()


@app.post("/parcels/<number>")
def add_parcel(number: str) -> tuple[str, int]:
    """Store a parcel, and have its label printed."""
    session.add(Parcel(number=number))
    session.commit()
    jobs.queue.enqueue(jobs.print_label, number)
    return "", 201


@app.get("/parcels")
def list_parcels() -> dict[str, Any]:
    """Return a page of parcels, who printed their labels, and the database user of this request."""
    parcels = session.scalars(select(Parcel).limit(app.config["PAGE_SIZE"])).all()
    return {
        "numbers": [each.number for each in parcels],
        "printed_by": [each.printed_by for each in parcels],
        "user": session.scalar(text("SELECT session_user")),
    }


@app.get("/links/<number>")
def sign_link(number: str) -> str:
    """Return the signature of a link to a parcel."""
    return hmac.new(app.config["SECRET_KEY"].encode(), number.encode(), "sha256").hexdigest()


@app.get("/fail")
def fail() -> NoReturn:
    """Raise an error with a secret in its message, which the log must not show."""
    raise ValueError(f"the session was signed with {app.config['SECRET_KEY']}")
