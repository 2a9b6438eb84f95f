"""Registration, login, and the decorator that authenticates a view's user."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Final, NoReturn
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Conflict, TooManyRequests, Unauthorized
from werkzeug.security import check_password_hash, generate_password_hash

from examples.gaara_store import tokens
from examples.gaara_store.database import User, UsernameTaken
from examples.gaara_store.store import current_store

blueprint = Blueprint("auth", __name__)

Username = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{2,39}$")]
Password = Annotated[SecretStr, Field(min_length=12, max_length=128)]
#: One ASCII address. Browsers check the same pattern.
Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
    ),
]

#: No user has this password. It is checked for unknown names, because otherwise the response time
#: would show which names are registered.
_DUMMY_HASH: Final = generate_password_hash("nobody")


class Credentials(BaseModel):
    """A login: a password, and either the user name or the e-mail address of the account."""

    model_config = ConfigDict(extra="forbid")

    username: Username | Email
    password: Password


class Registration(Credentials):
    """A new user's credentials and personal data."""

    username: Username
    email: Email
    phone: Annotated[str, Field(min_length=3, max_length=32)]
    address: Annotated[str, Field(min_length=3, max_length=500)]


@blueprint.post("/register")
def register() -> tuple[Response, HTTPStatus]:
    """Add a user and return the new id."""
    registration = Registration.model_validate_json(request.get_data())
    try:
        user_id = current_store().users.add(
            registration.username,
            generate_password_hash(registration.password.get_secret_value()),
            email=registration.email,
            phone=registration.phone,
            address=registration.address,
        )
    except UsernameTaken:
        raise Conflict("that user name is taken; choose another") from None
    return jsonify(id=str(user_id)), HTTPStatus.CREATED


@blueprint.post("/login")
def login() -> Response:
    """Return a login token for a user name or e-mail address and its password."""
    credentials = Credentials.model_validate_json(request.get_data())
    store = current_store()
    if wait := store.attempts.count(credentials.username):
        raise TooManyRequests("too many attempts; wait before the next", retry_after=wait)
    users = store.users.find(credentials.username)
    user = _find_match(users, credentials.password.get_secret_value())
    if user is None:
        raise_unauthorized("user name or password is wrong")
    store.attempts.reset(credentials.username)
    token = tokens.issue(user.id, store.signing.signing_key(), now=datetime.now(UTC))
    return jsonify(token=token, expires_in=int(tokens.LIFETIME.total_seconds()))


def _find_match(users: list[User], password: str) -> User | None:
    """Return the one of *users* that has *password*.

    If *users* is empty, a dummy hash is checked, so that the response takes as long.
    """
    hashes = [user.password_hash for user in users] or [_DUMMY_HASH]
    matches = [check_password_hash(known, password) for known in hashes]
    return next((user for user, matched in zip(users, matches, strict=False) if matched), None)


def require_user(view: Callable[[UUID], Response]) -> Callable[[], Response]:
    """Decorate *view* so that it requires a valid login token.

    The decorated view is called with the id of the authenticated user.
    """

    @wraps(view)
    def authenticated_view() -> Response:
        authorization = request.authorization
        token = authorization.token if authorization and authorization.type == "bearer" else None
        if not token:
            raise_unauthorized("log in first, and send the token as: Authorization: Bearer …")
        try:
            user_id = tokens.verify(token, current_store().signing.verification_keys())
        except tokens.InvalidToken:
            raise_unauthorized("log in again: the token has expired or is not valid")
        return view(user_id)

    return authenticated_view


def raise_unauthorized(message: str) -> NoReturn:
    """Raise the error that becomes a response with status 401."""
    raise Unauthorized(message, www_authenticate=WWWAuthenticate("bearer"))
