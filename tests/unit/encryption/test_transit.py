"""Transit wrapper and the key service over it, against a small server in memory.

``tests/integration/test_transit_openbao.py`` tests them against a real server.
"""

from __future__ import annotations

import base64
import dataclasses
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from app_integration.encryption.batch import Batch
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.encryption.transit import MAX_PLAINTEXT, Transit
from app_integration.encryption.transit_ciphertext import compact, expand
from app_integration.errors import (
    AccessDenied,
    BatchFailed,
    DecryptionFailed,
    EncryptionError,
    InvalidName,
    KeyUnavailable,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    Unreachable,
)
from app_integration.settings import Limits

KEY = "gaara-store-dev-pii"


class Server:
    """A minimal Transit engine: the ciphertext contains the context and the plaintext in clear."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.max_items = 1000
        self.failure: Callable[[], Exception] | None = None

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        assert body is not None
        assert body["partial_failure_response_code"] == 200
        items = body["batch_input"]
        self.sizes.append(len(items))
        if self.failure is not None:
            raise self.failure()
        if len(items) > self.max_items:
            raise RequestRefused(f"POST {path}: status 400", status=400)
        answers = [getattr(self, f"_{path.split('/')[1]}")(item) for item in items]
        if all("error" in answer for answer in answers):
            raise RequestRefused("POST: status 400", status=400, data={"batch_results": answers})
        return {"data": {"batch_results": answers}}

    def _encrypt(self, item: Mapping[str, str]) -> dict[str, str]:
        raw = f"{item['context']}|{item['plaintext']}".encode()
        return {"ciphertext": f"vault:v1:{base64.b64encode(raw).decode()}"}

    def _decrypt(self, item: Mapping[str, str]) -> dict[str, str]:
        raw = base64.b64decode(item["ciphertext"].removeprefix("vault:v1:")).decode()
        context, _, plaintext = raw.partition("|")
        if context != item["context"]:
            return {"error": "cipher: message authentication failed", "plaintext": ""}
        return {"plaintext": plaintext}

    def _rewrap(self, item: Mapping[str, str]) -> dict[str, str]:
        answer = self._decrypt(item)
        return answer if "error" in answer else self._encrypt({**item, **answer})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def transit(server: Server) -> Transit:
    return Transit(server.post, KEY)


def test_item_is_encrypted_rewrapped_and_decrypted(transit: Transit) -> None:
    ciphertext = transit.encrypt(b"\x00sand\xff", b"7")
    assert transit.decrypt(ciphertext, b"7") == b"\x00sand\xff"
    assert transit.decrypt(transit.rewrap(ciphertext, b"7"), b"7") == b"\x00sand\xff"
    assert transit.decrypt(transit.encrypt(b"", b"7"), b"7") == b""


def test_item_under_another_context_is_rejected(transit: Transit) -> None:
    ciphertext = transit.encrypt(b"sand", b"7")
    for operation in (transit.decrypt, transit.rewrap):
        with pytest.raises(DecryptionFailed):
            operation(ciphertext, b"8")


def test_batch_is_split_at_the_limit_and_keeps_its_order(server: Server, transit: Transit) -> None:
    items = [(b"%d" % number, b"%d" % (number % 3)) for number in range(600)]
    ciphertexts = transit.encrypt_many(items).values()
    assert server.sizes == [249, 249, 102]
    back = transit.decrypt_many(
        [(text, context) for text, (_, context) in zip(ciphertexts, items, strict=True)]
    )
    assert back.values() == [plaintext for plaintext, _ in items]


def test_empty_batch_sends_no_request(server: Server, transit: Transit) -> None:
    assert transit.encrypt_many([]).values() == []
    assert server.sizes == []


def test_request_too_complex_for_the_server_is_halved_and_the_size_kept(
    server: Server, transit: Transit
) -> None:
    server.max_items = 70
    assert len(transit.encrypt_many([(b"x", b"7")] * 249).values()) == 249
    assert [size for size in server.sizes if size <= 70] == [62, 62, 62, 62, 1]
    server.sizes.clear()
    transit.encrypt_many([(b"x", b"7")] * 124)
    assert server.sizes == [62, 62]


def test_invalid_request_fails_after_a_few_halvings(server: Server, transit: Transit) -> None:
    server.failure = lambda: RequestRefused("POST: status 400", status=400)
    with pytest.raises(RequestRefused):
        transit.encrypt_many([(b"x", b"7")] * 249)
    assert server.sizes == [249, 124, 62, 31, 15, 7, 3, 1]
    server.failure = None
    server.sizes.clear()
    transit.encrypt_many([(b"x", b"7")] * 249)
    assert server.sizes == [249]


def test_large_items_are_sent_in_requests_of_bounded_size(server: Server, transit: Transit) -> None:
    transit.encrypt_many([(bytes(MAX_PLAINTEXT), b"7")] * 3)
    assert server.sizes == [1, 1, 1]


def test_failed_item_is_named_and_the_others_are_returned(server: Server, transit: Transit) -> None:
    good = transit.encrypt(b"hunter2", b"7")
    items = [(good, b"7"), (good, b"8"), ("vault:v1:!", b"7"), (good, b"7")]
    batch = transit.decrypt_many(items)
    assert batch.failed == (1, 2)
    assert batch.results == [b"hunter2", None, None, b"hunter2"]
    assert "hunter2" not in repr(batch)
    with pytest.raises(BatchFailed, match=r"2 of 4 items failed, at 1, 2") as caught:
        batch.values()
    assert caught.value.failed == (1, 2)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert server.sizes[-1] == 3


def test_batch_of_failed_items_names_them_all(transit: Transit) -> None:
    good = transit.encrypt(b"sand", b"7")
    assert transit.decrypt_many([(good, b"8")] * 300).failed == tuple(range(300))
    assert transit.rewrap_many([(good, b"8"), ("", b"7")]).failed == (0, 1)


def test_batch_message_lists_20_failures_at_most() -> None:
    batch: Batch[str] = Batch([None] * 100, tuple(range(100)), "transit/decrypt/x")
    with pytest.raises(BatchFailed, match=r"18, 19, \.\.\.; the others"):
        batch.values()


@pytest.mark.parametrize(
    "item",
    [
        ("text", b"7"),
        (b"x", "7"),
        (b"x", b""),
        (b"x", b"c" * 4097),
        (None, b"7"),
        (bytes(MAX_PLAINTEXT + 1), b"7"),
    ],
    ids=lambda item: f"{type(item[0]).__name__} {len(item[1])}",
)
def test_item_out_of_bounds_is_rejected_without_a_request(
    server: Server, transit: Transit, item: Any
) -> None:
    with pytest.raises(EncryptionError, match="item 1"):
        transit.encrypt_many([(b"x", b"7"), item])
    assert server.sizes == []


@pytest.mark.parametrize("context", [b"", None, "7", b"c" * 4097], ids=repr)
def test_context_out_of_bounds_is_rejected_without_a_request(
    server: Server, transit: Transit, context: Any
) -> None:
    for operation in (transit.decrypt, transit.rewrap):
        with pytest.raises(EncryptionError, match="context"):
            operation("vault:v1:AAAA", context)
    assert server.sizes == []


MISSPELT = [
    "",
    "AAAA",
    "vault:v0:AAAA",
    "vault:v01:AAAA",
    "vault:v1:AAAA\n",
    " vault:v1:AAAA",
    "vault:v1:",
    "vault:v1:AAAA=",
    "vault:v1:AAB=",
    "vault:v1:AA-_",
    "vault:v4294967296:AAAA",
    "vault:v1:AAAA:AAAA",
    "Vault:v1:AAAA",
    "vault:v\u0661:AAAA",
]


@pytest.mark.parametrize("ciphertext", [*MISSPELT, None, b"vault:v1:AAAA"], ids=repr)
def test_malformed_ciphertext_is_not_sent(
    server: Server, transit: Transit, ciphertext: Any
) -> None:
    with pytest.raises(DecryptionFailed):
        transit.decrypt(ciphertext, b"7")
    assert server.sizes == []


@pytest.mark.parametrize("name", ["../sys", "a/b", "", "A", "a b", "a?b"])
def test_invalid_key_name_is_rejected(server: Server, name: str) -> None:
    with pytest.raises(InvalidName):
        Transit(server.post, name)


def transit_with_response(data: Any) -> Transit:
    """Return Transit on a server whose every response has *data*."""
    return Transit(lambda *_: {"data": data}, KEY)


@pytest.mark.parametrize(
    "data",
    [{}, {"batch_results": []}, {"batch_results": [{}, {}]}, {"batch_results": "x"}, None],
    ids=repr,
)
def test_malformed_response_raises_server_fault(data: Any) -> None:
    with pytest.raises(ServerFault):
        transit_with_response(data).encrypt(b"x", b"7")


@pytest.mark.parametrize("answer", [{}, {"plaintext": "?"}, {"plaintext": 7}, "x", None], ids=repr)
def test_item_without_a_result_is_failed(answer: Any) -> None:
    transit = transit_with_response({"batch_results": [answer]})
    assert transit.decrypt_many([("vault:v1:AAAA", b"7")]).failed == (0,)


@pytest.mark.parametrize("text", ["vault:v1:AAAA", "vault:v4294967295:AA==", "vault:v12:AAE="])
def test_expand_restores_the_compacted_ciphertext(text: str) -> None:
    assert expand(compact(text)) == text


@pytest.mark.parametrize("text", MISSPELT, ids=repr)
def test_compact_rejects_a_malformed_ciphertext(text: str) -> None:
    with pytest.raises(EncryptionError):
        compact(text)


@pytest.mark.parametrize("wrapped", [b"", b"\x00\x00\x00\x01", b"\x00\x00\x00\x00x"], ids=repr)
def test_expand_returns_none_for_other_bytes(wrapped: bytes) -> None:
    assert expand(wrapped) is None


def test_data_keys_are_wrapped_and_unwrapped_in_few_requests(server: Server) -> None:
    keys = VaultKeyService(server.post, KEY, dataclasses.replace(Limits(), batch_items=100))
    wrapped = keys.wrap([bytes([number]) * 32 for number in range(150)], b"scope")
    assert keys.unwrap(wrapped, b"scope") == [bytes([number]) * 32 for number in range(150)]
    assert server.sizes == [100, 50, 100, 50]


def test_data_key_of_another_scope_is_not_unwrapped(server: Server) -> None:
    keys = VaultKeyService(server.post, KEY)
    mine, theirs = keys.wrap([bytes(32)], b"mine"), keys.wrap([bytes(32)], b"theirs")
    assert keys.unwrap(theirs, b"mine") == [None]
    assert keys.unwrap(mine + theirs, b"mine") == [bytes(32), None]


def request_refused(status: int) -> Callable[[], Exception]:
    return lambda: RequestRefused(f"POST: status {status}", status=status)


@pytest.mark.parametrize(
    ("failure", "wrapping", "unwrapping"),
    [
        (lambda: Unreachable("gone"), KeyUnavailable, KeyUnavailable),
        (lambda: Sealed("sealed"), KeyUnavailable, KeyUnavailable),
        (lambda: RateLimited("slow"), KeyUnavailable, KeyUnavailable),
        (lambda: AccessDenied("no"), AccessDenied, AccessDenied),
        (request_refused(400), KeyUnavailable, None),
        (request_refused(404), KeyUnavailable, KeyUnavailable),
    ],
    ids=["unreachable", "sealed", "rate limited", "denied", "400", "404"],
)
def test_key_service_distinguishes_outage_denial_and_forgery(
    server: Server,
    failure: Callable[[], Exception],
    wrapping: type[Exception],
    unwrapping: type[Exception] | None,
) -> None:
    keys = VaultKeyService(server.post, KEY)
    (wrapped,) = keys.wrap([bytes(32)], b"scope")
    server.failure = failure
    with pytest.raises(wrapping):
        keys.wrap([bytes(32)], b"scope")
    if unwrapping is None:
        assert keys.unwrap([wrapped], b"scope") == [None]
    else:
        with pytest.raises(unwrapping):
            keys.unwrap([wrapped], b"scope")
