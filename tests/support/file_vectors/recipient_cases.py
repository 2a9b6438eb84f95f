"""Vectors of the recipients: their copies, their form, and which of them counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.file_vectors.edits import flip
from tests.support.file_vectors.vector import NO_MATCH, Vector, build, failure
from tests.support.file_vectors.writer import (
    KEY_SERVICE,
    SCOPE,
    fixed,
    key_service,
    low_order,
    recipient,
    recipients,
    x25519,
    x25519_content,
)

ALICE, BOB = "alice", "bob"
SEALED, OF_ALICE, OF_BOB = x25519_content(ALICE), x25519(ALICE), x25519(BOB)
WRONG_TAG = recipient(2, SEALED[:-1] + bytes([SEALED[-1] ^ 1]))
TWO = [OF_ALICE, x25519(BOB, ephemeral="second ephemeral key")]
SIXTEEN = [x25519(f"person {i}", ephemeral=f"ephemeral key {i}") for i in range(16)]
OTHER_KEY = x25519(ALICE, ephemeral="second ephemeral key", file_key=fixed("other"))
UNKNOWN = recipient(3, b"of a later version")
#: A point of order 8.
ORDER_8 = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
#: Bytes of a copy beside its number of recipients and one of type 1.
REST = 1503 - len(KEY_SERVICE)
#: Offsets of the checksums of both copies.
CHECKSUMS = (1024 + 1504, 1024 + 1536 + 1504)

#: Name, comment, recipients, and whose private key the reader has, if any.
READ: Sequence[tuple[str, str, list[bytes], str | None]] = (
    ("recipients-both-types-key", "types 1 and 2, read with type 1", [KEY_SERVICE, OF_ALICE], None),
    (
        "recipients-both-types-identity",
        "types 1 and 2, read with type 2",
        [KEY_SERVICE, OF_ALICE],
        ALICE,
    ),
    ("x25519", "one recipient of type 2", [OF_ALICE], ALICE),
    ("x25519-first-of-2", "two recipients of type 2", TWO, ALICE),
    ("x25519-second-of-2", "two recipients of type 2", TWO, BOB),
    ("x25519-last-of-16", "16 recipients; the last one matches", SIXTEEN, "person 15"),
    (
        "unknown-types",
        "types 3, 0 and 255 are ignored",
        [UNKNOWN, recipient(0, b""), recipient(255, bytes(300)), KEY_SERVICE],
        None,
    ),
    (
        "wrapped-key-longest",
        "a wrapped file key of 1,024 bytes",
        [key_service(size=1024), OF_ALICE],
        None,
    ),
    ("wrapped-key-shortest", "a wrapped file key of 1 byte", [key_service(size=1)], None),
    (
        "recipients-longest",
        "the recipients fill the copy",
        [KEY_SERVICE, recipient(9, b"\xff" * (REST - 3))],
        None,
    ),
    (
        "x25519-other-file-key-second",
        "the second recipient has another file key",
        [OF_ALICE, OTHER_KEY],
        ALICE,
    ),
)
UNMATCHED: Sequence[tuple[str, str, list[bytes], str | None]] = (
    ("identity-other", "sealed for another public key", [OF_ALICE], BOB),
    ("identity-without-recipient", "no recipient of type 2", [KEY_SERVICE], ALICE),
    ("key-without-recipient", "no recipient of type 1", [OF_ALICE], None),
    ("unknown-types-only", "only recipients of unknown types", [UNKNOWN], None),
    ("x25519-tag", "the tag of the sealed file key is wrong", [WRONG_TAG], ALICE),
)
REJECTED: Sequence[tuple[str, str, list[bytes], str | None]] = (
    ("count-0", "no recipients", [], None),
    ("count-17", "17 recipients", [KEY_SERVICE, *[recipient(3, b"")] * 16], None),
    (
        "recipient-past-end",
        "a recipient is 1 byte longer than the copy",
        [KEY_SERVICE, recipient(9, bytes(REST - 3), length=REST - 2)],
        None,
    ),
    (
        "recipient-length-65535",
        "the length of a recipient is the greatest number",
        [KEY_SERVICE, recipient(9, b"", length=65_535)],
        None,
    ),
    *(
        (
            f"x25519-length-{len(wrong)}",
            f"content of {len(wrong)} bytes in a recipient of type 2",
            [KEY_SERVICE, recipient(2, wrong)],
            None,
        )
        for wrong in (SEALED[:-1], SEALED + b"\0", b"")
    ),
    ("x25519-zero", "the shared secret is zero", [low_order(bytes(32), ALICE)], ALICE),
    ("x25519-order-8", "the shared secret is zero", [low_order(ORDER_8, ALICE)], ALICE),
    (
        "x25519-other-file-key",
        "the first recipient that matches has another file key",
        [OTHER_KEY, OF_ALICE],
        ALICE,
    ),
)
#: Name → what a second recipient of type 1 has, and its bytes.
FORMS: Mapping[str, tuple[str, bytes]] = {
    "wrapped-key-empty": ("no wrapped file key", key_service(size=0)),
    "wrapped-key-too-long": ("a wrapped file key of 1,025 bytes", key_service(size=1025)),
    "scope-empty": ("an empty scope", key_service(b"")),
    "scope-empty-part": ("a scope with an empty part", key_service(b"gaara-store//files")),
    "scope-two-parts": ("a scope of two parts", key_service(b"gaara-store/prod")),
    "scope-four-parts": ("a scope of four parts", key_service(SCOPE + b"/more")),
    "scope-not-ascii": ("a scope not in ASCII", key_service("gaara-store/prod/é".encode())),
    "scope-past-end": ("a scope longer than its recipient", recipient(1, b"\x40" + SCOPE)),
    "content-empty": ("a recipient of type 1 without content", recipient(1, b"")),
}
GOOD, WRONG_COUNT = recipients(KEY_SERVICE), recipients(KEY_SERVICE, count=17)
#: Name → comment, and parts of the file.
COPIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{
        f"checksum-copy-{copy}": (f"the checksum of copy {copy} is wrong", {"edit": flip(offset)})
        for copy, offset in enumerate(CHECKSUMS, start=1)
    },
    **{
        f"changed-copy-{copy}": (f"a byte of copy {copy} is changed", {"edit": flip(offset - 1444)})
        for copy, offset in enumerate(CHECKSUMS, start=1)
    },
    "checksum-preamble": ("a byte of the salt is changed", {"edit": flip(20)}),
    "second-copy-form": (
        "only the second copy has a wrong number of recipients",
        {"first": GOOD, "second": WRONG_COUNT},
    ),
    "second-copy-zeros": (
        "only the second copy has a set bit in the zeros",
        {"first": GOOD, "second": GOOD[:-1] + b"\1"},
    ),
    "count-too-small": (
        "a recipient more than the number says",
        {"first": recipients(KEY_SERVICE, UNKNOWN, count=1)},
    ),
    "recipients-last-byte": ("set bit in the last byte of the zeros", {"first": GOOD[:-1] + b"\1"}),
    "recipient-without-length": (
        "2 bytes are left for type and length",
        {"first": recipients(KEY_SERVICE, recipient(9, bytes(REST - 5)), b"\3\0", count=3)},
    ),
}


def cases() -> Iterator[Vector]:
    for name, comment, encoded, identity in READ:
        yield build(name, comment, identity=identity, first=recipients(*encoded))
    for name, comment, encoded, identity in UNMATCHED:
        first = recipients(*encoded)
        yield build(name, comment, identity=identity, first=first, expect=NO_MATCH)
    for name, comment, encoded, identity in REJECTED:
        yield failure(name, comment, identity=identity, first=recipients(*encoded))
    for name, (what, wrong) in FORMS.items():
        first = recipients(KEY_SERVICE, wrong)
        yield failure(name, f"{what}, after a right recipient", first=first)
    for name, (comment, parts) in COPIES.items():
        yield failure(name, comment, **parts)
    copies: dict[str, Any] = {"first": recipients(OF_ALICE), "second": recipients(OF_BOB)}
    name, comment = "replacement-interrupted", "the copies differ; the first matches"
    yield build(name, comment, identity=ALICE, **copies)
    name, comment = f"{name}-second", "the copies differ; only the second matches"
    yield build(name, comment, identity=BOB, expect=NO_MATCH, **copies)
