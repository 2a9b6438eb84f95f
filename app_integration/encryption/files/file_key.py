"""The key of one or several files, in memory and wrapped for its recipients."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from app_integration.encryption.files.body import KEY_SIZE, BodyCipher, derive_keys
from app_integration.encryption.files.header import Header
from app_integration.encryption.files.preamble import Body, Preamble
from app_integration.encryption.files.recipient import Recipient


class FileKey:
    """A file key with its recipients.

    Each file gets a salt and a body key of its own, so a further one needs no request.
    """

    def __init__(self, key: bytes, recipients: tuple[Recipient, ...]) -> None:
        """Keep a key of 32 random bytes, and the same key wrapped for each recipient."""
        self._key = key
        self.recipients = recipients

    def start(
        self, body: Body, bound: bytes, random: Callable[[int], bytes] = os.urandom
    ) -> tuple[bytes, BodyCipher]:
        """Return the header of a new file, and the cipher of its body."""
        preamble = Preamble(body, random(KEY_SIZE), bound)
        binding = preamble.binding
        body_key, commitment = derive_keys(self._key, preamble.salt, binding)
        header = Header(replace(preamble, commitment=commitment), self.recipients)
        return header.encode(), BodyCipher(body_key, binding)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("the key of a file cannot be pickled or copied; generate one where needed")
