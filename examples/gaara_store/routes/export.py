"""Route that sends the user's own data as a CSV file by e-mail."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from email.message import EmailMessage
from uuid import UUID

from flask import Blueprint, Response, jsonify

from examples.gaara_store import mail
from examples.gaara_store.auth import require_user
from examples.gaara_store.database import Profile
from examples.gaara_store.routes.account import own_profile
from examples.gaara_store.store import current_store

blueprint = Blueprint("export", __name__)


@blueprint.post("/export")
@require_user
def export(user_id: UUID) -> Response:
    """Send the logged-in user all data that the store has about them."""
    profile = own_profile(user_id)
    mail.send(current_store().config.smtp, build_message(profile))
    return jsonify(message="your data was sent to the e-mail address of your account")


def build_message(profile: Profile) -> EmailMessage:
    """Return an e-mail to the address of *profile*, with its data attached."""
    message = EmailMessage()
    message["To"] = profile.email
    message["Subject"] = "Your data"
    message.set_content("The attached file contains all data that the store has about you.\n")
    # Attach bytes, because the mail library would change the line ends of a text.
    message.add_attachment(
        to_csv(profile).encode(),
        maintype="text",
        subtype="csv",
        filename="export.csv",
        params={"charset": "utf-8"},
    )
    return message


def to_csv(profile: Profile) -> str:
    """Return *profile* as CSV: a line of field names and a line of values."""
    fields = asdict(profile)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([fields.keys(), fields.values()])
    return text.getvalue()
