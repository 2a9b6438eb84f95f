"""One contract for the server in memory and a real one: both look the same through a session."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_integration import (
    decrypt_field,
    encrypt_field,
    get_secret,
    get_secret_info,
    transit,
)
from app_integration.errors import (
    AccessDenied,
    DecryptionFailed,
    RequestRefused,
    SecretDeleted,
    SecretNotFound,
    StrongroomError,
)
from app_integration.session.session import Session
from app_integration.testing import Application

BOTH = ("vault", "real_vault")


@pytest.fixture(params=BOTH)
def app(request: pytest.FixtureRequest) -> Application:
    """Yield the same application on each server in turn."""
    application: Application = request.getfixturevalue(request.param)
    return application


def test_contract_secret_is_read_and_refreshed(app: Application) -> None:
    first = app.put("jwt-secret", "one")
    assert get_secret("jwt-secret") == "one"
    assert app.put("jwt-secret", "two") == first + 1
    assert get_secret("jwt-secret") == "one"
    assert get_secret("jwt-secret", force_refresh=True) == "two"
    info = get_secret_info("jwt-secret")
    assert info is not None
    assert (info.version, info.source, info.stale) == (first + 1, "vault", False)


def test_contract_absent_deleted_and_destroyed_differ(app: Application) -> None:
    with pytest.raises(SecretNotFound):
        get_secret("nothing")
    assert get_secret("nothing", default=None) is None
    app.put("doomed", "x")
    app.delete("doomed")
    with pytest.raises(SecretDeleted):
        get_secret("doomed")
    # The reads below are forced, because a negative entry stays cached for some seconds.
    app.destroy("doomed", app.put("doomed", "y"))
    with pytest.raises(SecretDeleted):
        get_secret("doomed", force_refresh=True)
    app.forget("doomed")
    with pytest.raises(SecretNotFound) as gone:
        get_secret("doomed", force_refresh=True)
    assert not isinstance(gone.value, SecretDeleted)


def test_contract_service_reads_only_its_own_secrets(app: Application) -> None:
    session = app.client.session
    app.operator.post("secret/data/other/staging/key", {"data": {"value": "x"}})
    for path in ("secret/data/other/staging/key", "sys/mounts", f"secret/metadata/{app.scope}"):
        with pytest.raises(AccessDenied, match="denied or absent"):
            session.get(path)
    with pytest.raises(AccessDenied):
        session.post(f"transit/keys/{app.scope.key('pii')}/rotate")


def test_contract_fields_are_bound_to_context_across_rotation(
    app: Application,
) -> None:
    token = encrypt_field("gaara@example.com", context={"user_id": 7})
    app.rotate_key()
    assert decrypt_field(token, context={"user_id": 7}) == "gaara@example.com"
    with pytest.raises(DecryptionFailed):
        decrypt_field(token, context={"user_id": 8})


def test_contract_transit_encrypts_and_rewraps(app: Application) -> None:
    key = transit()
    old = key.encrypt(b"sand", b"desert")
    app.rotate_key()
    new = key.rewrap(old, b"desert")
    assert (old.split(":")[1], new.split(":")[1]) == ("v1", "v2")
    assert key.decrypt(old, b"desert") == key.decrypt(new, b"desert") == b"sand"
    with pytest.raises(DecryptionFailed):
        key.decrypt(new, b"sea")
    assert key.decrypt_many([(old, b"desert"), (new, b"sea")]).failed == (1,)
    many = key.encrypt_many([(b"%d" % number, b"desert") for number in range(700)]).values()
    assert len({*many}) == 700


def test_contract_wrapped_response_unwraps_once_with_creation_path(app: Application) -> None:
    path = f"auth/approle/role/{app.scope}/secret-id"
    wrapped = app.operator.post(path, wrap_ttl=60)["wrap_info"]
    assert wrapped["creation_path"] == path
    found = app.operator.post("sys/wrapping/lookup", {"token": wrapped["token"]})["data"]
    assert found["creation_path"] == path
    opened = app.operator.post("sys/wrapping/unwrap", {"token": wrapped["token"]}, retry=False)
    assert opened["data"]["secret_id"]
    with pytest.raises(RequestRefused):
        app.operator.post("sys/wrapping/unwrap", {"token": wrapped["token"]}, retry=False)


#: A request, as (method, path below the service, body). What both servers answer must agree.
Step = tuple[str, str, Any]
CONTEXT = base64.b64encode(b"c").decode()
PLAIN = base64.b64encode(b"p").decode()
STEPS: tuple[Step, ...] = (
    ("GET", "secret/data/{kv}/none", None),
    ("GET", "secret/metadata/{kv}/none", None),
    ("LIST", "secret/metadata/{kv}/nowhere", None),
    ("POST", "secret/data/{kv}/a", {"data": {"value": "1"}, "options": {"cas": 0}}),
    ("POST", "secret/data/{kv}/a", {"data": {"value": "2"}, "options": {"cas": 0}}),
    ("POST", "secret/data/{kv}/a", {"data": {"value": "2"}, "options": {"cas": 1}}),
    ("POST", "secret/data/{kv}/a", {}),
    ("GET", "secret/data/{kv}/a?version=1", None),
    ("GET", "secret/data/{kv}/a?version=9", None),
    ("POST", "secret/metadata/{kv}/a", {"custom_metadata": {"owner": "me"}, "max_versions": 2}),
    ("POST", "secret/data/{kv}/a", {"data": {"value": "3"}}),
    ("GET", "secret/data/{kv}/a?version=1", None),
    ("POST", "secret/delete/{kv}/a", {"versions": [3]}),
    ("GET", "secret/data/{kv}/a", None),
    ("POST", "secret/undelete/{kv}/a", {"versions": [3]}),
    ("GET", "secret/data/{kv}/a", None),
    ("POST", "secret/destroy/{kv}/a", {"versions": [2, 77]}),
    ("GET", "secret/data/{kv}/a?version=2", None),
    ("POST", "secret/destroy/{kv}/a", {}),
    ("LIST", "secret/metadata/{kv}", None),
    ("DELETE", "secret/metadata/{kv}/a", None),
    ("GET", "secret/metadata/{kv}/a", None),
    ("POST", "transit/encrypt/{key}", {"plaintext": PLAIN}),
    ("POST", "transit/decrypt/{key}", {"ciphertext": "vault:v9:AAAA", "context": CONTEXT}),
    ("POST", "transit/decrypt/{key}", {"ciphertext": "nonsense", "context": CONTEXT}),
    ("POST", "transit/rewrap/{key}", {"ciphertext": "vault:v1:AAAA", "context": CONTEXT}),
    ("GET", "transit/keys/none", None),
    ("POST", "transit/encrypt/{key}", {"batch_input": [{"plaintext": PLAIN}] * 501}),
    ("GET", "auth/token/nothing", None),
    ("POST", "auth/approle/login", {"role_id": "x", "secret_id": "y"}),
    ("POST", "sys/leases/renew", {"lease_id": "database/creds/x/abc"}),
    ("POST", "sys/leases/revoke", {"lease_id": "database/creds/x/abc"}),
    ("GET", "nowhere/at/all", None),
)


def test_contract_responses_agree_step_by_step(vault: Application, real_vault: Application) -> None:
    assert [step for step in STEPS if outcome(vault, step) != outcome(real_vault, step)] == []


#: Operations on two secrets, drawn at random.
NAMES = st.sampled_from(["a", "b"])
VERSIONS = st.lists(st.integers(1, 4), min_size=1, max_size=2)
CHANGES = st.sampled_from(["delete", "undelete", "destroy"])


def _get(kind: str, name: str) -> Step:
    return "GET", f"secret/{kind}/{{kv}}/{name}", None


def _write(name: str, value: str) -> Step:
    return "POST", f"secret/data/{{kv}}/{name}", {"data": {"value": value}}


def _remove(kind: str, name: str) -> Step:
    return "DELETE", f"secret/{kind}/{{kv}}/{name}", None


def _change(change: str, name: str, versions: list[int]) -> Step:
    return "POST", f"secret/{change}/{{kv}}/{name}", {"versions": versions}


KINDS = st.sampled_from(["data", "metadata"])
NUMBERED = st.builds("{}?version={}".format, NAMES, st.integers(1, 4))
OPERATIONS = st.one_of(
    st.builds(_write, NAMES, st.text("abc ", max_size=3)),
    st.builds(_get, KINDS, NAMES),
    st.builds(_get, st.just("data"), NUMBERED),
    st.builds(_remove, KINDS, NAMES),
    st.builds(_change, CHANGES, NAMES, VERSIONS),
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(OPERATIONS, max_size=20))
def test_contract_any_sequence_of_kv_operations_agrees(
    vault: Application, real_vault: Application, steps: list[Step]
) -> None:
    for name in ("a", "b"):
        for app in (vault, real_vault):
            app.forget(name)
    for step in steps:
        assert outcome(vault, step) == outcome(real_vault, step)


def outcome(app: Application, step: Step) -> object:
    """Return what a session sees of *step*, without values that differ between servers."""
    method, template, body = step
    kv = f"{app.scope.service}/{app.scope.environment}"
    path = template.format(kv=kv, key=app.scope.key("pii"))
    try:
        answer = _senders(app.operator)[method](path, body)
    except RequestRefused as refused:
        return refused.status, comparable(refused.data)
    except StrongroomError as error:
        return type(error)
    return comparable(answer.get("data")) if isinstance(answer, dict) else answer


def _senders(session: Session) -> dict[str, Callable[[str, Any], Any]]:
    return {
        "GET": lambda path, _: session.get(path),
        "LIST": lambda path, _: session.list(path),
        "POST": lambda path, body: session.post(path, body, retry=False),
        "DELETE": lambda path, _: session.delete(path),
    }


#: Of an answer: what the SDK reads. Times are compared by whether there is one.
READ = {"data", "metadata", "value", "version", "destroyed", "custom_metadata", "owner", "keys"}
READ |= {"current_version", "max_versions", "versions", *map(str, range(1, 9))}


def comparable(value: object) -> object:
    """Return *value* with the fields that the SDK reads; a deletion time becomes a bool."""
    if isinstance(value, dict):
        kept = {key: comparable(inner) for key, inner in value.items() if key in READ}
        if "deletion_time" in value:
            kept["deleted"] = bool(value["deletion_time"])
        return kept
    return value
