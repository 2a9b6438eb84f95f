"""hvac's client on a session: its token, its errors, its retries, and what it registers."""

from __future__ import annotations

import base64
import io
import re
import traceback
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from hvac.adapters import JSONAdapter

import app_integration
from app_integration import hvac_client
from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError
from app_integration.hvac_adapter.adapter import build_hvac_client
from app_integration.observability import redaction
from app_integration.secret import REDACTED, Secret
from app_integration.session.session import Session
from app_integration.testing import Fault
from app_integration.testing.application import MemoryApplication
from app_integration.testing.http import UnsupportedCall
from app_integration.transport.responses import HIDDEN_ERROR

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "Hvac.md"
PATH = "app/staging/mail"
DATA = f"secret/data/{PATH}"
PASSWORD = "a-password-that-is-long-enough"
PLAINTEXT = base64.b64encode(b"the plaintext of the application").decode()


@pytest.fixture
def operator(vault: MemoryApplication) -> hvac.Client:
    """Return a client with the operator's rights, which may write."""
    return build_hvac_client(vault.operator)


@pytest.fixture
def client(vault: MemoryApplication) -> hvac.Client:
    """Return the client of the service, whose secret ``mail`` has a value."""
    vault.put("mail", PASSWORD)
    return hvac_client()


def read(client: hvac.Client) -> Any:
    return client.secrets.kv.v2.read_secret_version(PATH, raise_on_deleted_version=True)


def requests_for(vault: MemoryApplication, path: str) -> int:
    return sum(each.path == path for each in vault.server.seen)


def frame_locals(error: BaseException) -> list[str]:
    """Return the local variables of the SDK's frames, expanded as error reporters do."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if "app_integration" in frame.f_code.co_filename]
    assert own
    return [repr(value) for frame in own for value in frame.f_locals.values()]


class TestToken:
    def test_first_call_logs_in_once_for_all_clients(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        assert read(client)["data"]["data"] == {"value": PASSWORD}
        assert read(hvac_client())["data"]["data"] == {"value": PASSWORD}
        assert vault.server.count("auth/approle/login") == 1

    def test_expired_token_is_replaced_by_a_call(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        read(client)
        vault.expire_tokens()
        assert client.is_authenticated()
        assert read(client)["data"]["data"] == {"value": PASSWORD}

    def test_login_of_the_caller_returns_its_token_and_does_not_replace_the_sessions(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        session_token = client.token
        role = vault.server.approles.get_or_create_role(str(vault.scope))
        answer = client.auth.approle.login(role.role_id, role.issue())
        assert answer["auth"]["client_token"] != session_token
        assert client.token == session_token

    @pytest.mark.parametrize("revoke", [False, True])
    def test_logout_leaves_the_sessions_token(
        self, vault: MemoryApplication, client: hvac.Client, revoke: bool
    ) -> None:
        token = client.token
        client.logout(revoke_token=revoke)
        assert vault.server.tokens.find(token) is not None
        assert client.is_authenticated()
        assert requests_for(vault, "auth/token/revoke-self") == 0

    def test_logout_revokes_a_token_that_the_caller_set(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        own = vault.server.tokens.issue("own", (str(vault.scope),), ttl=60)
        client.token = own.value
        client.logout(revoke_token=True)
        assert vault.server.tokens.find(own.value) is None
        assert client.is_authenticated()

    def test_unwrap_uses_the_wrapping_token_that_was_set(
        self, vault: MemoryApplication, operator: hvac.Client
    ) -> None:
        vault.put("mail", PASSWORD)
        operator.token = operator.read(DATA, wrap_ttl="60s")["wrap_info"]["token"]
        assert operator.sys.unwrap()["data"]["data"] == {"value": PASSWORD}
        with pytest.raises(hvac.exceptions.InvalidRequest):
            operator.sys.unwrap()
        operator.token = None
        assert read(operator)["data"]["data"] == {"value": PASSWORD}

    def test_variable_of_hvac_has_no_say(
        self, vault: MemoryApplication, client: hvac.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = vault.server.tokens.issue("own", ("root",), ttl=60)
        monkeypatch.setenv("VAULT_TOKEN", own.value)
        assert hvac_client().token == client.token != own.value

    def test_revocation_of_the_sessions_token_is_not_sent(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        assert client.auth.token.revoke_self().status_code == 204
        assert client.auth.token.revoke(client.token).status_code == 204
        assert requests_for(vault, "auth/token/revoke-self") == 0
        assert requests_for(vault, "auth/token/revoke") == 0
        assert client.is_authenticated()

    def test_rejected_login_is_forbidden_and_not_authenticated(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        vault.server.approles.get_or_create_role(str(vault.scope)).secret_ids.clear()
        assert not client.is_authenticated()
        with pytest.raises(hvac.exceptions.Forbidden, match=r"login at .* was rejected"):
            read(client)

    def test_health_needs_no_login(self, vault: MemoryApplication, client: hvac.Client) -> None:
        vault.server.approles.get_or_create_role(str(vault.scope)).secret_ids.clear()
        assert client.sys.read_health_status().status_code == 200


class TestClosed:
    def test_call_after_close_logs_in_again(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        for _ in range(2):
            token = client.token
            assert read(client)["data"]["data"] == {"value": PASSWORD}
            app_integration.close()
            assert vault.server.tokens.find(token) is None

    def test_close_of_the_adapter_leaves_the_session_open(self, client: hvac.Client) -> None:
        client.adapter.close()
        assert read(client)["data"]["data"] == {"value": PASSWORD}


class TestRetries:
    @pytest.mark.parametrize("fault", [Fault.CUT, Fault.FAILING, Fault.RATE_LIMITED])
    def test_read_is_retried(
        self, vault: MemoryApplication, client: hvac.Client, fault: Fault
    ) -> None:
        with vault.fault(fault, DATA, times=2):
            assert read(client)["data"]["data"] == {"value": PASSWORD}
        assert requests_for(vault, DATA) >= 3

    @pytest.mark.parametrize("fault", [Fault.CUT, Fault.FAILING, Fault.RATE_LIMITED])
    def test_write_that_may_have_been_carried_out_is_sent_once(
        self, vault: MemoryApplication, operator: hvac.Client, fault: Fault
    ) -> None:
        with vault.fault(fault, DATA, times=1), pytest.raises(hvac.exceptions.VaultError):
            operator.secrets.kv.v2.create_or_update_secret(PATH, {"a": "b"})
        assert requests_for(vault, DATA) == 1

    def test_write_that_no_standby_forwarded_is_retried(
        self, vault: MemoryApplication, operator: hvac.Client
    ) -> None:
        with vault.fault(Fault.STANDBY, DATA, times=2):
            operator.secrets.kv.v2.create_or_update_secret(PATH, {"a": "b"})
        assert requests_for(vault, DATA) == 3

    def test_write_whose_login_failed_is_retried(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        key = vault.scope.key("pii")
        with vault.fault(Fault.FAILING, "auth/approle/login", times=1):
            client.secrets.transit.encrypt_data(key, plaintext=PLAINTEXT, context=PLAINTEXT)
        assert requests_for(vault, f"transit/encrypt/{key}") == 1

    def test_outage_during_another_login_is_no_denial(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        key = vault.scope.key("pii")
        assert client.token
        vault.expire_tokens()
        with (
            vault.fault(Fault.UNREACHABLE, "auth/"),
            pytest.raises(hvac.exceptions.VaultDown),
        ):
            client.secrets.transit.encrypt_data(key, plaintext=PLAINTEXT, context=PLAINTEXT)

    def test_role_named_login_is_read_with_a_token(self, operator: hvac.Client) -> None:
        operator.auth.approle.create_or_update_approle("login", token_policies=["a"])
        assert operator.auth.approle.read_role("login")["data"]["token_policies"] == ["a"]

    def test_wrapped_read_is_sent_once(self, vault: MemoryApplication, client: hvac.Client) -> None:
        with vault.fault(Fault.CUT, DATA, times=1), pytest.raises(hvac.exceptions.VaultDown):
            client.read(DATA, wrap_ttl="60s")
        assert requests_for(vault, DATA) == 2  # that of the fixture, which wrote the value

    def test_call_ends_with_its_timeout(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        read(client)
        begun = vault.server.clock()
        with vault.fault(Fault.SLOW, DATA), pytest.raises(requests.exceptions.Timeout):
            read(hvac_client(timeout=3))
        assert vault.server.clock() - begun == pytest.approx(3, abs=0.01)


class TestErrors:
    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault.SEALED, hvac.exceptions.VaultDown),
            (Fault.FAILING, hvac.exceptions.InternalServerError),
            (Fault.RATE_LIMITED, hvac.exceptions.RateLimitExceeded),
            (Fault.UNREACHABLE, requests.exceptions.ConnectionError),
            (Fault.UNREACHABLE, hvac.exceptions.VaultDown),
            (Fault.SLOW, hvac.exceptions.VaultDown),
        ],
    )
    def test_error_has_the_class_of_hvac(
        self, vault: MemoryApplication, client: hvac.Client, fault: Fault, kind: type[Exception]
    ) -> None:
        with vault.fault(fault, DATA), pytest.raises(kind):
            read(client)

    def test_denied_path_is_forbidden(self, client: hvac.Client) -> None:
        with pytest.raises(hvac.exceptions.Forbidden) as caught:
            client.read("secret/data/other/staging/x")
        assert "permission denied" in str(caught.value)

    def test_partly_failed_batch_error_has_nothing_of_other_items(
        self, operator: hvac.Client
    ) -> None:
        transit = operator.secrets.transit
        sealed = transit.encrypt_data("plain", plaintext=PLAINTEXT)["data"]["ciphertext"]
        items = [{"ciphertext": sealed}, {"ciphertext": "vault:v1:AAAA"}]
        with pytest.raises(hvac.exceptions.InvalidRequest) as caught:
            transit.decrypt_data("plain", batch_input=items)
        error = caught.value
        assert error.json["data"]["batch_results"][0] == {}
        assert error.json["data"]["batch_results"][1]["error"]
        assert PLAINTEXT not in f"{error} {error!r} {vars(error)!r}"
        assert error.__cause__ is None

    @pytest.mark.parametrize("fault", [Fault.FAILING, Fault.CUT])
    def test_error_of_a_write_shows_no_body_in_our_frames(
        self, vault: MemoryApplication, operator: hvac.Client, fault: Fault
    ) -> None:
        role, secret_id = "a-role-id", "the-secret-id-itself"
        with vault.fault(fault), pytest.raises(hvac.exceptions.VaultError) as written:
            operator.secrets.kv.v2.create_or_update_secret(PATH, {"password": PASSWORD})
        with vault.fault(fault), pytest.raises(hvac.exceptions.VaultError) as logged_in:
            operator.auth.approle.login(role, secret_id)
        for error in (written.value, logged_in.value):
            shown = [str(error), repr(error), repr(vars(error)), *frame_locals(error)]
            assert [each for each in shown if PASSWORD in each or secret_id in each] == []
            assert error.__cause__ is None
            assert error.__context__ is None

    def test_message_that_may_repeat_a_secret_is_left_out(self, operator: hvac.Client) -> None:
        with pytest.raises(hvac.exceptions.InvalidRequest) as caught:
            operator.secrets.transit.decrypt_data("nothing", ciphertext="vault:v1:AAAA")
        assert caught.value.errors == ["encryption key not found"]
        operator.secrets.transit.create_key("plain")
        with pytest.raises(hvac.exceptions.InvalidRequest) as caught:
            operator.secrets.transit.decrypt_data("plain", ciphertext="vault:v9:AAAA")
        assert caught.value.errors == [HIDDEN_ERROR]

    def test_deleted_version_is_read_as_hvac_reads_it(
        self, vault: MemoryApplication, client: hvac.Client
    ) -> None:
        vault.delete("mail")
        found = client.secrets.kv.v2.read_secret_version(PATH, raise_on_deleted_version=False)
        assert found["data"]["metadata"]["deletion_time"]
        assert client.read("secret/data/app/staging/nothing") is None

    def test_what_would_bypass_the_session_is_refused(self, client: hvac.Client) -> None:
        with pytest.raises(ConfigurationError, match="cannot be replaced"):
            client.session = requests.Session()
        client.url = "http://127.0.0.1:1"
        with pytest.raises(ConfigurationError, match="for another"):
            read(client)


class TestRedaction:
    @pytest.fixture
    def registry(self, monkeypatch: pytest.MonkeyPatch) -> redaction.SecretRegistry:
        registry = redaction.SecretRegistry()
        monkeypatch.setattr(redaction.live, "add", registry.add)
        return registry

    def test_values_are_plain_and_registered(
        self, client: hvac.Client, registry: redaction.SecretRegistry
    ) -> None:
        value = read(client)["data"]["data"]["value"]
        assert type(value) is str
        assert registry.scrub(f"login with {PASSWORD}") == f"login with {REDACTED}"

    def test_tokens_and_secret_ids_are_registered(
        self,
        vault: MemoryApplication,
        operator: hvac.Client,
        client: hvac.Client,
        registry: redaction.SecretRegistry,
    ) -> None:
        role = vault.server.approles.get_or_create_role(str(vault.scope))
        secret_id = operator.auth.approle.generate_secret_id(str(vault.scope))["data"]["secret_id"]
        token = client.auth.approle.login(role.role_id, secret_id)["auth"]["client_token"]
        wrapped = operator.read(DATA, wrap_ttl="60s")["wrap_info"]["token"]
        for value in (secret_id, token, wrapped, client.token):
            assert registry.scrub(f"got {value}") == f"got {REDACTED}"

    def test_decrypted_data_and_names_are_not_registered(
        self, operator: hvac.Client, registry: redaction.SecretRegistry
    ) -> None:
        transit = operator.secrets.transit
        sealed = transit.encrypt_data("plain", plaintext=PLAINTEXT)["data"]["ciphertext"]
        transit.decrypt_data("plain", ciphertext=sealed)
        operator.secrets.kv.v2.create_or_update_secret("some/long-folder-name/x", {"a": "b"})
        operator.secrets.kv.v2.list_secrets("some")
        operator.list("secret/metadata/some")
        for text in (PLAINTEXT, sealed, "long-folder-name"):
            assert registry.scrub(text) == text


class TestMemory:
    def test_unknown_calls_are_refused_loudly(self, operator: hvac.Client) -> None:
        for call in (
            lambda: operator.read("pki/cert/ca"),
            lambda: operator.list("identity/entity/name"),
            lambda: operator.secrets.transit.hash_data(PLAINTEXT),
            operator.sys.get_encryption_key_status,
            lambda: operator.sys.restore_raft_snapshot(b"\x1f\x8b"),
            lambda: operator.sys.read_health_status(method="GET", active_code=299),
        ):
            with pytest.raises(UnsupportedCall, match="the in-memory Vault does not support"):
                call()

    def test_body_that_is_no_object_is_rejected(self, operator: hvac.Client) -> None:
        for data in (b"[1]", io.BytesIO(b"\x1f\x8b"), "text"):
            with pytest.raises(hvac.exceptions.InvalidRequest):
                operator.adapter.post(f"/v1/{DATA}", data=data)

    def test_put_and_list_by_parameter_are_known(self, operator: hvac.Client) -> None:
        operator.adapter.put(f"/v1/{DATA}", json={"data": {"a": "b"}})
        assert operator.list("secret/metadata/app/staging")["data"]["keys"] == ["mail"]
        assert operator.adapter.list("/v1/secret/metadata/app/staging")["data"]["keys"]

    def test_head_has_no_body(self, operator: hvac.Client) -> None:
        assert operator.sys.read_health_status().content == b""


def test_example_of_the_page_runs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_SERVICE", "shop")
    vault: MemoryApplication = request.getfixturevalue("vault")
    value = {"data": {"password": PASSWORD}}
    vault.operator.post("secret/data/shop/staging/mail", value)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(example, "example", "exec", dont_inherit=True), names)  # noqa: S102 (our page)
    assert names["password"] == PASSWORD


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://vault.example:8200", "https://vault.example:8200"),
        ("unix:///run/vault/socket", "http://localhost"),
    ],
)
def test_url_is_that_of_the_session_or_made_up_for_a_socket(address: str, url: str) -> None:
    with Session(address, StaticToken(Secret("token"))) as session:
        assert build_hvac_client(session).url == url


def test_address_in_capitals_is_that_of_the_session(vault: MemoryApplication) -> None:
    token = vault.server.tokens.issue("operator", ("root",), ttl=60).value
    login = StaticToken(Secret(token))
    with Session("http://VAULT.Example:8200", login, connect=lambda: vault.server) as session:
        assert build_hvac_client(session).is_authenticated()


def test_adapter_is_a_json_adapter_of_hvac(client: hvac.Client) -> None:
    assert type(client) is hvac.Client
    assert isinstance(client.adapter, JSONAdapter)
