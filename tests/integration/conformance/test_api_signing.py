"""Transit's signatures and HMACs through its API: both servers answer each call alike."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest

from tests.support.servers.api_calls import Call, Compare, Paths

pytestmark = pytest.mark.requires("embedded")

CALLS = Paths("<transit>")
post, refused = CALLS.post, CALLS.refused

INPUT = base64.b64encode(b"p").decode()
DIGEST = base64.b64encode(bytes(32)).decode()
KINDS = ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-2048")
HASHES = ("sha1", "sha2-224", "sha2-256", "sha2-384", "sha2-512", "sha3-256")


HMACS = [
    post("keys/k", {}),
    *[
        post("hmac/k", body)
        for body in (
            {},
            {"input": "!"},
            {"input": ""},
            {"input": ["x"]},
            *[{"input": INPUT, "algorithm": each} for each in ("md5", "", "none", *HASHES)],
            *[{"input": INPUT, "key_version": each} for each in (1, 9, -1, "x")],
            {"batch_input": []},
            {"batch_input": "x"},
            {"batch_input": [{}, {"input": INPUT, "reference": "r"}, {"input": 5}]},
        )
    ],
    post("hmac/k/sha2-384", {"input": INPUT}),
    post("hmac/k/nope", {"input": INPUT}),
    post("hmac/none", {"input": INPUT}),
    refused("hmac/k", {"input": INPUT, "nope": 1}),
    refused("hmac/k", {"batch_input": [{"input": INPUT, "nope": 1}]}),
    post("hmac/k", {"input": INPUT}, mac="data.hmac"),
    *[
        post("verify/k", body)
        for body in (
            {"input": INPUT, "hmac": "<mac>"},
            {"input": DIGEST, "hmac": "<mac>"},
            {"input": INPUT, "hmac": "<mac>", "algorithm": "sha2-512"},
            {"input": INPUT, "hmac": "<mac>", "algorithm": "md5"},
            {"input": "!", "hmac": "<mac>"},
            {"hmac": "<mac>"},
            {"input": INPUT},
            *[
                {"input": INPUT, "hmac": each}
                for each in ("x", "vault:v1:AAAA", "vault:v9:AAAA", "vault:v0:AAAA", "vault:v1:!")
            ],
            {"input": INPUT, "hmac": "vault:vx:AAAA"},
            {"input": INPUT, "signature": "<mac>"},
            {"input": INPUT, "signature": "<mac>", "hmac": "<mac>"},
            {"batch_input": []},
            {"batch_input": [{"input": INPUT}]},
            {"batch_input": [{"input": INPUT, "hmac": "<mac>"}, {"input": INPUT, "hmac": "x"}]},
            {
                "batch_input": [
                    {"input": INPUT, "hmac": "<mac>"},
                    {"input": INPUT, "signature": "x"},
                ]
            },
        )
    ],
    post("keys/k/rotate"),
    post("hmac/k", {"input": INPUT, "key_version": 1}),
    post("hmac/k", {"input": INPUT}),
    post("verify/k", {"input": INPUT, "hmac": "<mac>"}),
    post("keys/k/config", {"min_decryption_version": 2}),
    post("verify/k", {"input": INPUT, "hmac": "<mac>"}),
    post("keys/h", {"type": "hmac", "key_size": 64}),
    post("hmac/h", {"input": INPUT}, second="data.hmac"),
    post("verify/h", {"input": INPUT, "hmac": "<second>"}),
    post("encrypt/h", {"plaintext": INPUT}),
    post("sign/h", {"input": INPUT}),
    post("sign/k", {"input": INPUT}),
]


@pytest.mark.parametrize("calls", [HMACS], ids=["hmac"])
def test_hmac_call_is_answered_alike(compare: Compare, calls: list[Call]) -> None:
    assert compare(calls) == []


def sign(**fields: Any) -> Call:
    return post("sign/k", {"input": INPUT, **fields})


def verify(signature: str, **fields: Any) -> Call:
    return post("verify/k", {"input": INPUT, "signature": signature, **fields})


#: Signatures of a wrong size; two are not base64 for the web, which a made one may be or not.
NOT_JWS: Final = (
    *("vault:v1:MEUCIQ+/AAAA", "vault:v1:MEUCIQ=="),
    *("vault:v1:MEUCIQAAAAAA", "vault:v1:"),
)
#: Like a signature for the web, whose characters are those of plain base64 too, or not by chance.
WEB: Final = ("vault:v1:" + 128 * "A", "vault:v1:" + 64 * "-_")


def signing_calls(kind: str) -> list[Call]:
    """Return the calls that work alike with a key of each kind."""
    return [
        post("keys/k", {"type": kind}),
        post("sign/k", {}),
        post("sign/k", {"input": "!"}),
        *[sign(hash_algorithm=each) for each in (*HASHES[1:5], "nope", "none")],
        sign(algorithm="sha2-384"),
        *[sign(marshaling_algorithm=each) for each in ("asn1", "jws", "nope")],
        *[sign(salt_length=each) for each in ("auto", "hash", "20", "-7", "nope")],
        *[sign(signature_algorithm=each) for each in ("pss", "pkcs1v15", "nope")],
        *[sign(key_version=each) for each in (1, 8, -1, "x")],
        sign(context=INPUT),
        post("sign/k", {"input": DIGEST, "prehashed": True}),
        post("sign/k/sha2-512", {"input": INPUT}),
        post("sign/k", {"batch_input": [{"input": INPUT, "reference": "r"}, {"input": "!"}]}),
        post("sign/k", {"batch_input": []}),
        refused("sign/k", {"input": INPUT, "nope": 1}),
        post("sign/none", {"input": INPUT}),
        post("encrypt/k", {"plaintext": INPUT}) if kind != "rsa-2048" else post("keys/k", {}),
        post("sign/k", {"input": INPUT}, made="data.signature"),
        verify("<made>"),
        verify("<made>", input=DIGEST),
        verify("<made>", hash_algorithm="sha2-512"),
        *[verify(each, marshaling_algorithm="jws") for each in NOT_JWS],
        verify("<made>", signature_algorithm="pkcs1v15"),
        *[verify(each) for each in ("x", "vault:v1:AAAA", "vault:v9:AAAA", "vault:v1:!", "")],
        verify("vault:v0:AAAA"),
        post("verify/none", {"input": INPUT, "signature": "x"}),
        post(
            "verify/k",
            {
                "batch_input": [
                    {"input": INPUT, "signature": "<made>", "reference": "z"},
                    {"input": INPUT, "signature": "x"},
                ]
            },
        ),
        post("sign/k", {"input": INPUT, "marshaling_algorithm": "jws"}, jws="data.signature"),
        verify("<jws>", marshaling_algorithm="jws"),
        *[verify(each) for each in WEB],
        post("keys/k/rotate"),
        verify("<made>"),
        post("sign/k", {"input": INPUT}, newer="data.signature"),
        verify("<newer>"),
        post("keys/k/config", {"min_decryption_version": 2}),
        verify("<made>"),
        verify("<newer>"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_signature_call_is_answered_alike(compare: Compare, kind: str) -> None:
    assert compare(signing_calls(kind)) == []


def test_rsa_signature_of_each_padding_is_answered_alike(compare: Compare) -> None:
    calls = [post("keys/k", {"type": "rsa-2048"})]
    for number, fields in enumerate(
        (
            {"signature_algorithm": "pkcs1v15"},
            {"signature_algorithm": "pkcs1v15", "hash_algorithm": "sha2-512"},
            {"signature_algorithm": "pss", "salt_length": "hash"},
            {"signature_algorithm": "pss", "salt_length": "20"},
            {"hash_algorithm": "sha2-384"},
        )
    ):
        calls += [
            post("sign/k", {"input": INPUT, **fields}, **{f"s{number}": "data.signature"}),
            verify(f"<s{number}>", **fields),
            verify(f"<s{number}>"),
        ]
    none = {"hash_algorithm": "none", "signature_algorithm": "pkcs1v15", "prehashed": True}
    calls += [
        sign(prehashed=True),
        refused("sign/k", {"input": INPUT, **none}),
        refused("encrypt/k", {"plaintext": INPUT}),
        refused("datakey/plaintext/k", {}),
    ]
    assert compare(calls) == []
