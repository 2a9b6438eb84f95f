"""The user's own data."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from flask import Blueprint, Response, jsonify

from examples.gaara_store.auth import refuse, require_user
from examples.gaara_store.database import Profile
from examples.gaara_store.store import current_store

blueprint = Blueprint("account", __name__)


@blueprint.get("/me")
@require_user
def me(user_id: UUID) -> Response:
    """Who asks, decrypted."""
    return jsonify(asdict(own_profile(user_id)))


def own_profile(user_id: UUID) -> Profile:
    """The data of *user_id*, who is logged in.

    Raises:
        Unauthorized: the account is gone.

    """
    profile = current_store().users.profile(user_id)
    if profile is None:
        refuse("log in again: this account no longer exists")
    return profile
