"""Registration, login, and what a view needs to know who asks."""

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
#: As browsers check it; ASCII only, one address.
Email = Annotated[
    str,
    Field(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$",
    ),
]

#: Nobody's password. Checking it takes as long as checking a user's, so that the time of an answer
#: doesn't tell who is registered.
_NOBODY: Final = generate_password_hash("nobody")


class Credentials(BaseModel):
    """Who wants in: by user name, or by the e-mail address they registered with."""

    model_config = ConfigDict(extra="forbid")

    username: Username | Email
    password: Password


class Registration(Credentials):
    """A new user."""

    username: Username
    email: Email
    phone: Annotated[str, Field(min_length=3, max_length=32)]
    address: Annotated[str, Field(min_length=3, max_length=500)]


@blueprint.post("/register")
def register() -> tuple[Response, HTTPStatus]:
    """Add a user."""
    given = Registration.model_validate_json(request.get_data())
    try:
        user_id = current_store().users.add(
            given.username,
            generate_password_hash(given.password.get_secret_value()),
            email=given.email,
            phone=given.phone,
            address=given.address,
        )
    except UsernameTaken:
        raise Conflict("that user name is taken") from None
    return jsonify(id=str(user_id)), HTTPStatus.CREATED


@blueprint.post("/login")
def login() -> Response:
    """Give a token for a name and its password."""
    given = Credentials.model_validate_json(request.get_data())
    store = current_store()
    if wait := store.attempts.count(given.username):
        raise TooManyRequests("too many attempts; wait before the next", retry_after=wait)
    user = _who(store.users.find(given.username), given.password.get_secret_value())
    if user is None:
        refuse("user name or password is wrong")
    store.attempts.forget(given.username)
    token = tokens.issue(user.id, store.signing.newest(), now=datetime.now(UTC))
    return jsonify(token=token, expires_in=int(tokens.LIFETIME.total_seconds()))


def _who(users: list[User], password: str) -> User | None:
    """Of *users*, the one whose password it is; somebody's is checked in any case."""
    hashes = [user.password_hash for user in users] or [_NOBODY]
    matches = [check_password_hash(known, password) for known in hashes]
    return next((user for user, right in zip(users, matches, strict=False) if right), None)


def require_user(view: Callable[[UUID], Response]) -> Callable[[], Response]:
    """Let only logged-in users in; the *view* is given the id of who asks."""

    @wraps(view)
    def checked() -> Response:
        given = request.authorization
        token = given.token if given and given.type == "bearer" else None
        if not token:
            refuse("log in first, and send the token as: Authorization: Bearer …")
        try:
            user_id = tokens.verify(token, current_store().signing.accepted())
        except tokens.InvalidToken:
            refuse("log in again: the token has expired or isn't valid")
        return view(user_id)

    return checked


def refuse(message: str) -> NoReturn:
    """Answer 401.

    Raises:
        Unauthorized: always.

    """
    raise Unauthorized(message, www_authenticate=WWWAuthenticate("bearer"))
