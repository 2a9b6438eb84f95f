"""What a report cannot know, because no log has it."""

from __future__ import annotations

from typing import Final

LIMITS: Final = tuple(
    sentence.strip().replace("\n", " ")
    for sentence in """
A read proves that the server sent the value, not that it was used. Whoever has read a value may
keep it and pass it on.

A decryption by Transit has no key version in the log, so that no log proves that an old version is
out of use. Count the stored ciphertexts instead.

What the SDK serves from its cache is in its access records only. What an agent delivers to a file,
and who reads that, is in no log.

The response of a wrapped request has no version, and the one who unwraps it is known by the
wrapping token only.

The name of a database user is an HMAC unless the mount shows it:
audit_non_hmac_response_keys=username.

Hosts of one AppRole are told apart by the metadata of their secret-ids, else by address. A proxy
has one address for all behind it, a Unix socket none.

The server logs no automatic rotation, no expiry of a lease or token, no request to sys/health, and
none before it is unsealed.

A missing line leaves no trace in a log. A time without a line may be one without a request.
""".strip().split("\n\n")
)
