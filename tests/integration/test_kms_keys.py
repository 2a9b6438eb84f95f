"""Data keys under KMS: what they are bound to, which keys may unwrap them, and each failure."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app_integration import errors
from app_integration.aws.connection import AwsConnection
from app_integration.encryption import kms_ciphertext
from app_integration.encryption.cipher import wrap_scope
from app_integration.encryption.kms_ciphertext import KmsCiphertext
from app_integration.encryption.tokens import envelope
from app_integration.settings import Limits
from tests.support.deadlines import assert_ends_within
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.aws_fault_server import Fault
from tests.support.servers.key_sites import KmsSite, warm_up
from tests.support.servers.moto_server import REGION, MotoServer, set_identity
from tests.support.servers.secret_backends import AwsSite

SHORT = Limits(deadline=2.0, retry_window=0.2, retry_base=0.01, retry_max=0.02)


@pytest.fixture(scope="module")
def kms(moto: MotoServer) -> Any:
    return moto.client("kms")


@pytest.fixture
def site(kms: Any, aws_site: AwsSite, tmp_path: Path) -> Iterator[KmsSite]:
    yield KmsSite(kms, aws_site, tmp_path)
    aws_site.proxy.faults.clear()


def wrapped_key(token: Any) -> KmsCiphertext:
    """Return the wrapped key in a text token."""
    found = kms_ciphertext.parse(envelope.parse(token).wrapped)
    assert found is not None
    return found


def test_data_key_is_bound_to_service_environment_and_key_and_to_nothing_else(
    site: KmsSite,
) -> None:
    token = site.text_client().cipher("pii").encrypt_field("sand", {"user_id": 7}, field="users.x")
    found = wrapped_key(token)
    assert found.key == site.keys[0]
    context = {
        "use": "data key",
        "service": site.scope.service,
        "environment": "dev",
        "key": "pii",
    }
    opened = site.kms.decrypt(
        KeyId=found.key, CiphertextBlob=found.ciphertext, EncryptionContext=context
    )
    assert len(opened["Plaintext"]) == 32


def test_key_that_is_not_declared_is_rejected_without_a_request(
    site: KmsSite, caplog: pytest.LogCaptureFixture
) -> None:
    cipher = site.text_client().cipher("pii")
    token = cipher.encrypt_field("sand")
    foreign = site.kms.create_key()["KeyMetadata"]["Arn"]
    forged = envelope.parse(token).with_wrapped_key(
        KmsCiphertext(foreign, wrapped_key(token).ciphertext).encode()
    )
    site.proxy.operations.clear()
    with pytest.raises(errors.DecryptionFailed):
        site.text_client().cipher("pii").decrypt_field(forged)
    assert site.proxy.operations == []
    assert f"the KMS key {foreign}, which STRONGROOM_KMS_KEYS does not list" in caplog.text


def test_declared_key_in_place_of_the_one_that_wrapped_is_rejected(site: KmsSite) -> None:
    token = site.text_client().cipher("pii").encrypt_field("sand")
    forged = envelope.parse(token).with_wrapped_key(
        KmsCiphertext(site.keys[1], wrapped_key(token).ciphertext).encode()
    )
    site.proxy.faults["Decrypt"] = [faults.incorrect_key()]  # moto words it as a denial
    with pytest.raises(errors.DecryptionFailed):
        site.text_client().cipher("pii").decrypt_field(forged)


def test_response_of_another_key_than_the_requested_one_is_rejected(site: KmsSite) -> None:
    token = site.text_client().cipher("pii").encrypt_field("sand")
    answer = {"KeyId": site.keys[1], "Plaintext": "A" * 43 + "="}
    site.proxy.faults["Decrypt"] = [Fault(body=answer)]
    with pytest.raises(errors.DecryptionFailed):
        site.text_client().cipher("pii").decrypt_field(token)


def test_alias_that_was_moved_to_an_undeclared_key_wraps_nothing(site: KmsSite) -> None:
    client, declared = site.text_client(), tuple(site.keys)
    site.rotate("pii")
    new = site.keys[-1]
    assert client.settings.kms_keys == declared
    with pytest.raises(errors.KeyUnavailable) as caught:
        client.cipher("pii").encrypt_field("sand")
    assert str(caught.value) == (
        f"alias/{site.scope.key('pii')} stands for {new}, which STRONGROOM_KMS_KEYS does not list; "
        "add it there in every process, and move the alias afterwards"
    )


def test_missing_alias_is_named(site: KmsSite) -> None:
    with pytest.raises(errors.KeyUnavailable) as caught:
        site.text_client().cipher("missing").encrypt_field("sand")
    alias = f"alias/{site.scope.key('missing')}"
    assert str(caught.value) == (
        f"{alias} cannot wrap a data key now: kms Encrypt {alias}: refused (NotFoundException); "
        "check its name and AWS_REGION; check also that the declaration was applied"
    )


def test_missing_key_of_a_token_is_named(site: KmsSite) -> None:
    token = site.text_client().cipher("pii").encrypt_field("sand")
    site.proxy.faults["Decrypt"] = [faults.refused("NotFoundException")]
    with pytest.raises(errors.KeyUnavailable, match=f"{site.keys[0]}: refused .*; check its"):
        site.text_client().cipher("pii").decrypt_field(token)


def test_replaced_key_can_be_disabled_once_everything_is_rewrapped(site: KmsSite) -> None:
    writer = site.text_client().cipher("pii")
    kept: Any = writer.encrypt_field("sand")
    forgotten = writer.encrypt_field("dune")
    stored = site.client().cipher("pii").encrypt_field("dune")
    old = site.keys[0]
    site.rotate("pii")
    job = site.client().cipher("pii")
    kept = job.rewrap(kept)
    assert job.rewrap_data_keys() == 1
    assert wrapped_key(kept).key == site.keys[-1] != old
    site.kms.disable_key(KeyId=old.rpartition("/")[2])
    reader = site.client().cipher("pii")
    assert [reader.decrypt_field(each) for each in (kept, stored)] == ["sand", "dune"]
    site.proxy.faults["Decrypt"] = [faults.disabled_key(old)]  # moto decrypts with it all the same
    with pytest.raises(errors.KeyUnavailable, match=rf"{old}: its KMS key cannot be used now"):
        reader.decrypt_field(forgotten)
    site.proxy.faults.clear()
    site.keys.remove(old)
    without = site.client().cipher("pii")
    assert without.decrypt_field(stored) == "dune"
    with pytest.raises(errors.DecryptionFailed):
        without.decrypt_field(forgotten)


def test_rewrap_does_not_depend_on_the_order_in_which_keys_are_declared(site: KmsSite) -> None:
    site.client().cipher("pii").encrypt_field("sand")
    site.rotate("pii")
    site.keys.reverse()
    assert site.client().cipher("pii").rewrap_data_keys() == 1
    assert site.client().cipher("pii").rewrap_data_keys() == 0


def test_many_keys_are_unwrapped_together_and_in_order(site: KmsSite) -> None:
    service = site.client().key_services.open("pii")
    scope = wrap_scope(site.scope, "pii").bound
    keys = [bytes([number]) * 32 for number in range(20)]
    wrapped = service.wrap(keys, scope)
    assert service.unwrap([*wrapped, wrapped[0] + b"?"], scope) == [*keys, None]
    moved = service.rewrap(wrapped, scope)
    assert service.unwrap([key for key in moved if key], scope) == keys


@pytest.fixture(scope="module")
def hasty_connection(aws_site: AwsSite) -> Iterator[AwsConnection]:
    """Yield a connection with short limits."""
    url = aws_site.proxy.url
    with closing(AwsConnection(REGION, development=True, endpoint=url, limits=SHORT)) as it:
        yield it


@pytest.fixture
def hasty(
    site: KmsSite, hasty_connection: AwsConnection, monkeypatch: pytest.MonkeyPatch
) -> KmsSite:
    """Return a site whose processes have short limits."""
    set_identity(monkeypatch)
    site.connection = hasty_connection
    warm_up(hasty_connection)
    return site


UNFINISHED = {"Plaintext": "A" * 43 + "=", "CiphertextBlob": "QUFB"}
FAILURES = [
    (faults.throttled(), errors.KeyUnavailable, "throttled"),
    (faults.disabled_key("key"), errors.KeyUnavailable, "DisabledException"),
    (faults.denied("kms:Use", "key"), errors.AccessDenied, "not authorized to perform: kms:Use"),
    (faults.dripping(UNFINISHED), errors.KeyUnavailable, "no complete response in time"),
]
FURTHER = [
    (faults.failing(), errors.KeyUnavailable, "status 500"),
    (faults.pending_deletion("key"), errors.KeyUnavailable, "KMSInvalidStateException"),
    (faults.refused("KeyUnavailableException", status=500), errors.KeyUnavailable, "used now"),
    (faults.refused("DependencyTimeoutException", status=500), errors.KeyUnavailable, "used now"),
    (faults.refused("NotFoundException"), errors.KeyUnavailable, "NotFoundException"),
    (faults.expired_token(), errors.AuthenticationFailed, "ExpiredTokenException"),
    (faults.cut(UNFINISHED), errors.KeyUnavailable, "cut within a response"),
    (Fault(body={"KeyId": "key"}), errors.KeyUnavailable, "the response has no Plaintext"),
]


@pytest.mark.parametrize(
    ("operation", "fault", "error", "message"),
    [
        *(("Encrypt", *failure) for failure in FAILURES),
        *(("ReEncrypt", *failure) for failure in FAILURES),
        *(("Decrypt", *failure) for failure in FAILURES + FURTHER),
    ],
)
def test_failure_is_reported_within_the_deadline(
    hasty: KmsSite, operation: str, fault: Fault, error: type[Exception], message: str
) -> None:
    token: Any = hasty.text_client().cipher("pii").encrypt_field("sand")
    cipher = hasty.text_client().cipher("pii")
    calls: dict[str, Callable[[], object]] = {
        "Encrypt": lambda: cipher.encrypt_field("dune"),
        "Decrypt": lambda: cipher.decrypt_field(token),
        "ReEncrypt": lambda: cipher.rewrap(token),
    }
    hasty.proxy.faults[operation] = [fault]

    def fail() -> None:
        with pytest.raises(error, match=re.escape(message)) as caught:
            calls[operation]()
        assert type(caught.value) is error
        assert caught.value.__cause__ is None

    assert_ends_within(SHORT.deadline * 1.1, fail)


@pytest.mark.parametrize("code", ["InvalidCiphertextException", "IncorrectKeyException"])
def test_invalid_ciphertext_and_wrong_key_are_the_one_error_that_says_nothing(
    site: KmsSite, code: str
) -> None:
    token = site.text_client().cipher("pii").encrypt_field("sand")
    site.proxy.faults["Decrypt"] = [faults.refused(code, "a reason of KMS")]
    with pytest.raises(errors.DecryptionFailed) as caught:
        site.text_client().cipher("pii").decrypt_field(token)
    assert str(caught.value).startswith("the token is not authentic for this key and context")
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_outage_during_many_requests_ends_all_of_them_by_the_deadline(hasty: KmsSite) -> None:
    tokens = [(hasty.text_client().cipher("pii").encrypt_field(str(at)), None) for at in range(20)]
    hasty.proxy.faults["Decrypt"] = [faults.dripping(UNFINISHED)]
    cipher = hasty.text_client().cipher("pii")

    def fail() -> None:
        with pytest.raises(errors.KeyUnavailable):
            cipher.decrypt_many(tokens)

    assert_ends_within(SHORT.deadline * 1.1, fail)


def test_data_keys_are_in_no_log(site: KmsSite, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        service = site.client().key_services.open("pii")
        scope, key = wrap_scope(site.scope, "pii").bound, b"0123456789abcdef" * 2
        assert service.unwrap(service.wrap([key], scope), scope) == [key]
    assert "botocore" in caplog.text
    for spelling in (key.decode(), base64.b64encode(key).decode(), key.hex()):
        assert spelling not in caplog.text
