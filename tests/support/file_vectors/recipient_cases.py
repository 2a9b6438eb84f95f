"""Vectors of the recipients: their copies, their form, and which of them counts."""

from __future__ import annotations

from collections.abc import Iterator
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

ALICE, BOB, CAROL = "alice", "bob", "carol"
UNKNOWN = recipient(3, b"of a later version")
#: A point of order 8.
ORDER_8 = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
#: Offsets of the checksums of both copies.
CHECKSUMS = (1024 + 1504, 1024 + 1536 + 1504)


def cases() -> Iterator[Vector]:
    """Return the vectors."""
    yield from _usable()
    yield from _no_match()
    yield from _copies()
    yield from _counts()
    yield from _lengths()
    yield from _key_service_forms()
    yield from _x25519_forms()


def _usable() -> Iterator[Vector]:
    both = recipients(KEY_SERVICE, x25519(ALICE))
    yield build("recipients-both-types-key", "types 1 and 2, read with type 1", first=both)
    yield build(
        "recipients-both-types-identity",
        "types 1 and 2, read with type 2",
        first=both,
        identity=ALICE,
    )
    yield build(
        "x25519", "one recipient of type 2", first=recipients(x25519(ALICE)), identity=ALICE
    )
    for name, identity in (("first", ALICE), ("second", BOB)):
        two = recipients(x25519(ALICE), x25519(BOB, ephemeral="second ephemeral key"))
        yield build(f"x25519-{name}-of-2", "two recipients of type 2", first=two, identity=identity)
    sixteen = [x25519(f"person {i}", ephemeral=f"ephemeral key {i}") for i in range(16)]
    yield build(
        "x25519-last-of-16",
        "16 recipients; the last one matches",
        identity="person 15",
        first=recipients(*sixteen),
    )
    unknown = recipients(UNKNOWN, recipient(0, b""), recipient(255, bytes(300)), KEY_SERVICE)
    yield build("unknown-types", "types 3, 0 and 255 are ignored", first=unknown)
    longest = recipients(key_service(size=1024), x25519(ALICE))
    yield build("wrapped-key-longest", "a wrapped file key of 1,024 bytes", first=longest)
    yield build(
        "wrapped-key-shortest",
        "a wrapped file key of 1 byte",
        first=recipients(key_service(size=1)),
    )
    full = recipients(KEY_SERVICE, recipient(9, b"\xff" * (1503 - len(KEY_SERVICE) - 3)))
    yield build("recipients-longest", "the recipients fill the copy", first=full)


def _no_match() -> Iterator[Vector]:
    alice = recipients(x25519(ALICE))
    yield build(
        "identity-other",
        "sealed for another public key",
        first=alice,
        identity=BOB,
        expect=NO_MATCH,
    )
    yield build(
        "identity-without-recipient", "no recipient of type 2", identity=ALICE, expect=NO_MATCH
    )
    yield build("key-without-recipient", "no recipient of type 1", first=alice, expect=NO_MATCH)
    yield build(
        "unknown-types-only",
        "only recipients of unknown types",
        first=recipients(UNKNOWN),
        expect=NO_MATCH,
    )
    content = bytearray(x25519_content(ALICE))
    content[-1] ^= 1
    yield build(
        "x25519-tag",
        "the tag of the sealed file key is wrong",
        identity=ALICE,
        first=recipients(recipient(2, bytes(content))),
        expect=NO_MATCH,
    )


def _copies() -> Iterator[Vector]:
    alice, bob = recipients(x25519(ALICE)), recipients(x25519(BOB))
    copies: dict[str, Any] = {"first": alice, "second": bob}
    yield build(
        "replacement-interrupted", "the copies differ; the first matches", identity=ALICE, **copies
    )
    yield build(
        "replacement-interrupted-second",
        "the copies differ; only the second matches",
        identity=BOB,
        expect=NO_MATCH,
        **copies,
    )
    for copy, offset in enumerate(CHECKSUMS, start=1):
        yield failure(
            f"checksum-copy-{copy}", f"the checksum of copy {copy} is wrong", edit=flip(offset)
        )
        yield failure(
            f"changed-copy-{copy}",
            f"a byte of copy {copy} is changed",
            edit=flip(offset - 1504 + 60),
        )
    yield failure("checksum-preamble", "a byte of the salt is changed", edit=flip(20))
    good, wrong = recipients(KEY_SERVICE), recipients(KEY_SERVICE, count=17)
    yield failure(
        "second-copy-form",
        "only the second copy has a wrong number of recipients",
        first=good,
        second=wrong,
    )
    yield failure(
        "second-copy-zeros",
        "only the second copy has a set bit in the zeros",
        first=good,
        second=good[:-1] + b"\1",
    )


def _counts() -> Iterator[Vector]:
    yield failure("count-0", "no recipients", first=recipients())
    yield failure(
        "count-17", "17 recipients", first=recipients(KEY_SERVICE, *[recipient(3, b"")] * 16)
    )
    yield failure(
        "count-too-small",
        "a recipient more than the number says",
        first=recipients(KEY_SERVICE, UNKNOWN, count=1),
    )
    last = recipients(KEY_SERVICE)[:-1] + b"\1"
    yield failure("recipients-last-byte", "set bit in the last byte of the zeros", first=last)


def _lengths() -> Iterator[Vector]:
    rest = 1503 - len(KEY_SERVICE)
    past = recipient(9, bytes(rest - 3), length=rest - 2)
    yield failure(
        "recipient-past-end",
        "a recipient is 1 byte longer than the copy",
        first=recipients(KEY_SERVICE, past),
    )
    huge = recipient(9, b"", length=65_535)
    yield failure(
        "recipient-length-65535",
        "the length of a recipient is the greatest number",
        first=recipients(KEY_SERVICE, huge),
    )
    filling = recipient(9, bytes(rest - 3 - 2))
    yield failure(
        "recipient-without-length",
        "2 bytes are left for type and length",
        first=recipients(KEY_SERVICE, filling, b"\3\0", count=3),
    )


def _key_service_forms() -> Iterator[Vector]:
    forms = {
        "wrapped-key-empty": (key_service(size=0), "no wrapped file key"),
        "wrapped-key-too-long": (key_service(size=1025), "a wrapped file key of 1,025 bytes"),
        "scope-empty": (key_service(b""), "an empty scope"),
        "scope-empty-part": (key_service(b"gaara-store//files"), "a scope with an empty part"),
        "scope-two-parts": (key_service(b"gaara-store/prod"), "a scope of two parts"),
        "scope-four-parts": (key_service(SCOPE + b"/more"), "a scope of four parts"),
        "scope-not-ascii": (key_service("gaara-store/prod/é".encode()), "a scope not in ASCII"),
        "scope-past-end": (recipient(1, b"\x40" + SCOPE), "a scope longer than its recipient"),
        "content-empty": (recipient(1, b""), "a recipient of type 1 without content"),
    }
    for name, (wrong, comment) in forms.items():
        yield failure(
            name, f"{comment}, after a right recipient", first=recipients(KEY_SERVICE, wrong)
        )


def _x25519_forms() -> Iterator[Vector]:
    content = x25519_content(ALICE)
    for size, wrong in ((79, content[:-1]), (81, content + b"\0"), (0, b"")):
        yield failure(
            f"x25519-length-{size}",
            f"content of {size} bytes in a recipient of type 2",
            first=recipients(KEY_SERVICE, recipient(2, wrong)),
        )
    points = {"zero": bytes(32), "order-8": ORDER_8}
    for name, point in points.items():
        yield failure(
            f"x25519-{name}",
            "the shared secret is zero",
            identity=ALICE,
            first=recipients(low_order(point, ALICE)),
        )
    other = x25519(ALICE, ephemeral="second ephemeral key", file_key=fixed("other"))
    yield failure(
        "x25519-other-file-key",
        "the first recipient that matches has another file key",
        first=recipients(other, x25519(ALICE)),
        identity=ALICE,
    )
    yield build(
        "x25519-other-file-key-second",
        "the second recipient has another file key",
        first=recipients(x25519(ALICE), other),
        identity=ALICE,
    )
