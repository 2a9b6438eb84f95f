"""Transit's keys and encryption through its API: both servers answer each call alike."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.servers.api_calls import Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

CALLS = Paths("<transit>")
get, post, refused = CALLS.get, CALLS.post, CALLS.refused

PLAIN = base64.b64encode(b"p").decode()
OTHER = base64.b64encode(b"other").decode()
CIPHERS = ("aes128-gcm96", "aes256-gcm96", "chacha20-poly1305")
SIGNERS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048")


def encrypt(key: str, body: Any, **keep: str) -> Call:
    return post(f"encrypt/{key}", body, **keep)


def decrypt(key: str, ciphertext: Any, **fields: Any) -> Call:
    return post(f"decrypt/{key}", {"ciphertext": ciphertext, **fields})


KEYS = [
    Call("LIST", "<transit>/keys"),
    *[post(f"keys/k-{kind}", {"type": kind}) for kind in (*CIPHERS, *SIGNERS)],
    post("keys/k-hmac", {"type": "hmac", "key_size": 32}),
    post("keys/x", {"type": "hmac"}),
    post("keys/x", {"type": "hmac", "key_size": 7}),
    post("keys/d", {"derived": True}),
    post("keys/d", {"derived": False}),
    post("keys/d", {"type": "ed25519"}),
    post("keys/x", {"type": "nope"}),
    post("keys/x", {"type": 5}),
    post("keys/x", {"derived": "zz"}),
    post("keys/x", {"convergent_encryption": True}),
    post("keys/x", {"type": "rsa-2048", "derived": True}),
    post("keys/x", {"auto_rotate_period": "5s"}),
    post("keys/x", {"convergent_encryption": False, "auto_rotate_period": 0}),
    post("keys/e", {"exportable": True, "allow_plaintext_backup": True}),
    post("keys/ab!c", {}),
    get("keys/y"),
    Call("LIST", "<transit>/keys"),
    Call("LIST", "<transit>/keys/"),
    refused("keys/refused", {"type": "xchacha20-poly1305"}),
    get("keys"),
    get("nope"),
    get("encrypt/x"),
    post("keys", {}),
    post("keys/", {}),
    Call("PATCH", "<transit>/keys/d", {}),
    *[refused(path, method="GET") for path in ("cache-config", "export/hmac-key/d", "backup/d")],
    refused("keys/y", {"type": "ed25519", "derived": True}),
    refused("keys/y", {"convergent_encryption": True, "derived": True}),
    refused("keys/y", {"nope": True}),
    refused("keys/y", {"managed_key_name": "m"}),
    refused("keys/d/trim", {"min_available_version": 1}),
    refused("keys/d/import", {}),
]

CONFIG = [
    post("keys/k", {}),
    encrypt("k", {"plaintext": PLAIN}, first="data.ciphertext"),
    Call("DELETE", "<transit>/keys/k"),
    post("keys/k/rotate"),
    post("keys/k/rotate", {}),
    post("keys/k/config", {"min_decryption_version": 4}),
    post("keys/k/config", {"min_decryption_version": 2}),
    decrypt("k", "<first>"),
    post("rewrap/k", {"ciphertext": "<first>"}),
    *[post("keys/k/config", {"min_decryption_version": each}) for each in (-1, 10**30, "x", 0)],
    decrypt("k", "<first>"),
    post("rewrap/k", {"ciphertext": "<first>"}, second="data.ciphertext"),
    decrypt("k", "<second>"),
    *[post("keys/k/config", {"min_encryption_version": each}) for each in (9, -1, 10**30, 2)],
    encrypt("k", {"plaintext": PLAIN, "key_version": 1}),
    encrypt("k", {"plaintext": PLAIN, "key_version": 2}),
    post("keys/k/config", {"min_decryption_version": 3, "min_encryption_version": 2}),
    post("keys/k/config", {"min_encryption_version": 0, "exportable": True}),
    post("keys/k/config", {"exportable": False, "allow_plaintext_backup": True}),
    post("keys/k/config", {}),
    post("keys/k/config", {"auto_rotate_period": 0}),
    get("keys/k"),
    post("keys/k/config", {"deletion_allowed": True}),
    Call("DELETE", "<transit>/keys/k"),
    Call("DELETE", "<transit>/keys/k"),
    get("keys/k"),
    post("keys/none/rotate", {}),
    post("keys/none/rotate", {"name": "none"}),
    post("keys/none/config", {"deletion_allowed": True}),
    post("keys/other", {}),
    post("keys/other/config", {"auto_rotate_period": "2h"}),
    post("keys/other/config", {"auto_rotate_period": "5s"}),
    post("keys/other/config", {"auto_rotate_period": "x"}),
    post("keys/periodic", {"auto_rotate_period": "1h"}),
    refused("keys/other/config", {"nope": 1}),
]

ENCRYPT = [
    post("keys/k", {}),
    *[
        encrypt("k", body)
        for body in (
            {},
            {"plaintext": ""},
            {"plaintext": None},
            {"plaintext": 5},
            {"plaintext": "!!"},
            {"plaintext": "abc"},
            {"plaintext": "é"},
            {"plaintext": ["x"]},
            {"plaintext": PLAIN, "associated_data": "!!"},
            {"plaintext": PLAIN, "context": PLAIN},
            {"plaintext": PLAIN, "context": "!"},
            {"plaintext": PLAIN, "type": "nope"},
            *[{"plaintext": PLAIN, "key_version": each} for each in (1, "1", 2, -1, 10**30, "x")],
        )
    ],
    refused("encrypt/k", {"plaintext": PLAIN, "nonce": PLAIN}),
    refused("encrypt/k", {"plaintext": PLAIN, "convergent_encryption": True}),
    refused("encrypt/k", {"batch_input": [{"plaintext": PLAIN, "nope": 1}]}),
    encrypt("k", {"plaintext": PLAIN}, plain="data.ciphertext"),
    encrypt("k", {"plaintext": PLAIN, "associated_data": OTHER}, bound="data.ciphertext"),
    decrypt("k", "<bound>", associated_data=OTHER),
    decrypt("k", "<bound>", associated_data=PLAIN),
    decrypt("k", "<bound>", associated_data="!"),
    decrypt("k", "<bound>"),
    post("rewrap/k", {"ciphertext": "<bound>"}),
    decrypt("k", "<plain>"),
    decrypt("k", "<plain>A"),
    decrypt("k", "<plain>\n"),
    *[
        decrypt("k", ciphertext)
        for ciphertext in (
            *("", 5, None, "x", "vault:", "vault:v", "vault:v1", "vault:v1:", "vault:v1:!!"),
            *("vault:v1:AA==", "vault:v0:AAAA", "vault:v-1:AAAA", "vault:v2:AAAA"),
            *("vault:vx:AAAA", "vault:v99999999999999999999:AAAA", "vault:v1:é", "vault:v1:A:A"),
        )
    ],
    post("decrypt/k", {}),
    post("rewrap/k", {}),
    *[
        post("rewrap/k", {"ciphertext": "<plain>", "key_version": version})
        for version in (1, 7, -1, "x")
    ],
    decrypt("none", "<plain>"),
    post("rewrap/none", {"ciphertext": "<plain>"}),
    post("keys/d", {"derived": True}),
    encrypt("d", {"plaintext": PLAIN}),
    encrypt(
        "d", {"plaintext": PLAIN, "context": PLAIN, "associated_data": PLAIN}, d="data.ciphertext"
    ),
    decrypt("d", "<d>", context=PLAIN, associated_data=PLAIN),
    decrypt("d", "<d>", context=OTHER, associated_data=PLAIN),
    decrypt("d", "<d>", context=PLAIN),
    decrypt("d", "<d>"),
]

UPSERT = [
    encrypt("new", {"plaintext": PLAIN, "type": "aes128-gcm96"}),
    get("keys/new"),
    encrypt("derived", {"plaintext": PLAIN, "context": PLAIN}),
    get("keys/derived"),
    *[encrypt("no", {"plaintext": PLAIN, "type": kind}) for kind in ("rsa-2048", "hmac", "nope")],
    get("keys/no"),
    encrypt("bad", {"plaintext": "!!"}),
    get("keys/bad"),
    encrypt(
        "mixed", {"batch_input": [{"plaintext": PLAIN}, {"plaintext": PLAIN, "context": PLAIN}]}
    ),
    encrypt("empty", {"batch_input": []}),
]

GOOD, BAD = {"plaintext": PLAIN}, {"plaintext": "!"}
BATCHES: tuple[Any, ...] = (
    [],
    "x",
    {},
    [1],
    [None],
    [{}],
    [{"plaintext": 5}],
    [{"plaintext": PLAIN, "context": 5}],
    [{"plaintext": PLAIN, "key_version": "1"}],
    [{"plaintext": PLAIN, "key_version": 9}],
    [{"plaintext": PLAIN, "associated_data": "!"}],
    [GOOD, BAD],
    [BAD, BAD],
)
BATCH = [
    post("keys/k", {}),
    *[encrypt("k", {"batch_input": items}) for items in BATCHES],
    *[
        encrypt("k", {"batch_input": [GOOD, BAD], "partial_failure_response_code": code})
        for code in (207, 200, 999, -1, "x", 10**30)
    ],
    encrypt("k", {"batch_input": [BAD], "partial_failure_response_code": 207}),
    encrypt("k", {"batch_input": None, "plaintext": PLAIN}),
    encrypt(
        "k",
        {"batch_input": [{**GOOD, "reference": "r", "associated_data": OTHER}, GOOD]},
        bound="data.batch_results.0.ciphertext",
        plain="data.batch_results.1.ciphertext",
    ),
    post(
        "decrypt/k",
        {
            "batch_input": [
                {"ciphertext": "<bound>", "associated_data": OTHER, "reference": "q"},
                {"ciphertext": "<bound>"},
                {"ciphertext": "<plain>"},
                {"ciphertext": "x"},
            ]
        },
    ),
    post("decrypt/k", {"batch_input": [{}]}),
    post("rewrap/k", {"batch_input": [{"ciphertext": "<plain>"}, {"ciphertext": "x"}]}),
    post("rewrap/k", {"batch_input": []}),
    refused("rewrap/k", {"batch_input": [{"ciphertext": "<plain>", "associated_data": PLAIN}]}),
]

DATA_KEYS = [
    post("keys/k", {}),
    post("datakey/plaintext/k", {}, wrapped="data.ciphertext", open="data.plaintext"),
    decrypt("k", "<wrapped>"),
    post("datakey/wrapped/k"),
    post("datakey/nope/k", {}),
    *[post("datakey/wrapped/k", {"bits": bits}) for bits in (128, 256, 512, 100, 0, "x", 10**30)],
    *[post("datakey/wrapped/k", {"key_version": each}) for each in (1, 9, -1)],
    post("datakey/wrapped/k", {"associated_data": PLAIN}, bound="data.ciphertext"),
    decrypt("k", "<bound>"),
    post("datakey/wrapped/k", {"context": PLAIN}),
    refused("datakey/wrapped/k", {"nonce": PLAIN}),
    post("datakey/wrapped/none", {}),
    post("keys/d", {"derived": True}),
    post("datakey/wrapped/d", {}),
    post("datakey/wrapped/d", {"context": PLAIN}),
]


@pytest.mark.parametrize(
    "calls",
    [KEYS, CONFIG, ENCRYPT, UPSERT, BATCH, DATA_KEYS],
    ids=["keys", "config", "encrypt", "upsert", "batch", "data-keys"],
)
def test_transit_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []


@pytest.mark.parametrize("kind", CIPHERS)
def test_transit_key_of_each_cipher_binds_associated_data(compare: Compare, kind: str) -> None:
    calls = [
        post("keys/k", {"type": kind}),
        encrypt("k", {"plaintext": PLAIN, "associated_data": OTHER}, bound="data.ciphertext"),
        decrypt("k", "<bound>", associated_data=OTHER),
        decrypt("k", "<bound>"),
        post("keys/d", {"type": kind, "derived": True}),
        encrypt("d", {"plaintext": PLAIN, "context": OTHER}, derived="data.ciphertext"),
        decrypt("d", "<derived>", context=OTHER),
        decrypt("d", "<derived>", context=PLAIN),
    ]
    assert compare(calls) == []
