"""Calls of hvac's client, and what a caller sees of each, without values that differ by chance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import attrgetter, getitem
from typing import Any, Final

import requests

#: What earlier calls of a run returned, by name, and the settings of the database.
State = dict[str, Any]
#: Clients of hvac, by the groups in the names of calls.
_CLIENTS: Final = {
    **{group: f"secrets.{group}" for group in ("kv.v1", "kv.v2", "transit", "database")},
    **{group: f"auth.{group}" for group in ("approle", "token")},
    "sys": "sys",
}

#: Keys whose values differ between two runs. Their type is compared.
VOLATILE: Final = frozenset(
    {
        *("accessor", "backup", "build_date", "ciphertext", "client_token", "cluster_id"),
        *("cluster_name", "created_time"),
        *("creation_time", "deletion_time", "encryptions", "entity_id", "expire_time", "hmac"),
        *("id", "install_time", "issue_time", "last_renewal", "last_renewal_time"),
        *("last_updated_time", "last_vault_rotation", "leader_address", "lease_duration"),
        *("leader_cluster_address", "lease_id", "migration_id", "modified", "password"),
        *("plaintext", "public_key", "random_bytes", "request_id", "role_id", "secret_id"),
        *("secret_id_accessor", "server_time_utc", "signature", "token", "ttl", "updated_time"),
        *("username", "uuid", "wrapped_accessor"),
    }
)
#: Of these, each value below the key differs.
VOLATILE_BELOW: Final = frozenset({"keys"})


class From(str):
    """Place of an argument in :data:`State`, as keys between dots."""

    __slots__ = ()


@dataclass(frozen=True)
class Sent:
    """Arguments of the method that a call is named after, whose result is kept under *keep*."""

    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    keep: str

    def send(self, name: str, client: Any, state: State) -> Any:
        group, _, method = name.partition(" ")[0].rpartition(".")
        owner = attrgetter(_CLIENTS[group])(client) if group in _CLIENTS else client
        arguments, options = _filled([*self.arguments], state), _filled(self.options, state)
        found = getattr(owner, method)(*arguments, **options)
        if self.keep:
            state[self.keep] = found
        return found


#: A call, or a function that sends it through the client.
Call = Sent | Callable[[Any, State], Any]


def call(*arguments: Any, keep: str = "", **options: Any) -> Sent:
    """Return a call with these arguments. Later calls find its result under *keep*."""
    return Sent(arguments, options, keep)


def _filled(value: Any, state: State) -> Any:
    if isinstance(value, From):
        return reduce(getitem, value.split("."), state)
    if isinstance(value, Mapping):
        return {name: _filled(inner, state) for name, inner in value.items()}
    return [_filled(each, state) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Outcome:
    kind: str
    value: Any = None


def run_calls(calls: Mapping[str, Call], client: Any, state: State) -> dict[str, Outcome]:
    """Return the outcome of each of *calls*, which are sent in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {name: _outcome(name, each, client, state) for name, each in calls.items()}


def _outcome(name: str, each: Call, client: Any, state: State) -> Outcome:
    try:
        found = each.send(name, client, state) if isinstance(each, Sent) else each(client, state)
    except Exception as error:  # noqa: BLE001 (compared with that of another client)
        return Outcome(type(error).__name__)
    if isinstance(found, requests.Response):
        return Outcome(f"response {found.status_code}", comparable(_body(found)))
    return Outcome("value", comparable(found))


def _body(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return {"text": bool(response.text)}


def comparable(value: Any) -> Any:
    """Return *value* with the type in place of each value that differs by chance."""
    if isinstance(value, Mapping):
        return {
            name: _types(inner)
            if name in VOLATILE or (name in VOLATILE_BELOW and not isinstance(inner, list))
            else comparable(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return value


def _types(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _types(inner) for name, inner in value.items()}
    return type(value).__name__
