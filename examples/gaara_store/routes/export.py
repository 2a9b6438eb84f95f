"""The user's own data as a CSV file, by e-mail."""

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
    """Send who asks all that the store holds of them."""
    profile = own_profile(user_id)
    mail.send(current_store().config.smtp, message_for(profile))
    return jsonify(message="your data was sent to the e-mail address of your account")


def message_for(profile: Profile) -> EmailMessage:
    """The e-mail to *profile*'s own address."""
    message = EmailMessage()
    message["To"] = profile.email
    message["Subject"] = "Your data"
    message.set_content("All that the store holds of you is in the attached file.\n")
    # As bytes: mail would turn the line ends of text into its own.
    message.add_attachment(
        as_csv(profile).encode(),
        maintype="text",
        subtype="csv",
        filename="export.csv",
        params={"charset": "utf-8"},
    )
    return message


def as_csv(profile: Profile) -> str:
    """One line of names, one of values."""
    fields = asdict(profile)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([fields.keys(), fields.values()])
    return text.getvalue()
