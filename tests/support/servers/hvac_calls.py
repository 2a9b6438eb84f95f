"""Calls of hvac's client, and what a caller sees of each, without values that differ by chance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

#: What earlier calls of a run returned, by name, and the settings of the database.
State = dict[str, Any]
#: Sends one call through the client.
Call = Callable[[Any, State], Any]

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


def kept(key: str, send: Call) -> Call:
    """Return *send*, whose result later calls find under *key*."""

    def send_and_keep(client: Any, state: State) -> Any:
        state[key] = send(client, state)
        return state[key]

    return send_and_keep


@dataclass(frozen=True)
class Outcome:
    """What the caller of one call sees."""

    kind: str
    value: Any = None


def run_calls(calls: Mapping[str, Call], client: Any, state: State) -> dict[str, Outcome]:
    """Return the outcome of each of *calls*, which are sent in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {name: _outcome(send, client, state) for name, send in calls.items()}


def _outcome(send: Call, client: Any, state: State) -> Outcome:
    try:
        found = send(client, state)
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
