"""Encryption of files: a file is bound to its service, its environment and a context."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app_integration._internal.input_file import open_input
from app_integration._internal.pending_file import PendingFile
from app_integration.encryption.files import header as headers
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunk_reader import RandomAccessReader, SequentialReader
from app_integration.encryption.files.chunk_writer import ChunkWriter
from app_integration.encryption.files.chunks import (
    SEALED_SIZE,
    decrypt_stream,
    encrypt_stream,
)
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.header import Header, read_header
from app_integration.encryption.files.key_wrapping import FileKeyWrapping, OpenKeyService
from app_integration.encryption.files.parallel import (
    decrypt_parallel,
    encrypt_parallel,
    is_divisible,
)
from app_integration.encryption.files.preamble import Body, bind
from app_integration.encryption.files.streams import (
    Progress,
    Source,
    Target,
    report_nothing,
    write_all,
)
from app_integration.encryption.files.x25519 import read_identities
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import raise_decryption_failed
from app_integration.names import Scope

#: More threads read and write no faster.
THREADS: Final = 2


class FileCipher:
    """Encryption and decryption of the files of one service in one environment. Thread-safe.

    Arguments that many methods share:

    *context*: What the file is of, such as ``{"of": "export"}``. Decryption needs an equal one.
    The service and the environment are always part of it. It can be read without a key.

    *recipients*: Who can decrypt the file beside the default key: public keys of age (``age1…``),
    names of keys of the service, or ``<service>/<environment>/<key name>``.

    *identity*: A file of private keys of age, as ``age-keygen`` writes it, in place of a key
    service; None to use the key service.
    """

    def __init__(
        self,
        services: OpenKeyService,
        scope: Scope,
        key_name: str | None = "pii",
        *,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Create the cipher. No request is sent."""
        self._keys = FileKeyWrapping(services, scope, key_name, random)
        self.scope = scope
        self._random = random

    def new_file_key(self, recipients: Sequence[str] = ()) -> FileKey:
        """Return a key for several files, so that further ones need no request.

        Raises:
            EncryptionError: If a recipient is malformed, or there is none.
            KeyUnavailable: If the key service cannot wrap the key now.
            AccessDenied: If this identity may not wrap it.

        """
        return self._keys.generate(recipients)

    def encrypt_file(
        self,
        source: Path,
        target: Path,
        *,
        context: Context | None = None,
        recipients: Sequence[str] = (),
        threads: int = THREADS,
        progress: Progress = report_nothing,
    ) -> None:
        """Encrypt the file *source* as *target*, which appears when it is whole, with mode 0600.

        Args:
            source: Must not change while it is read, unless it is a pipe.
            target: Is replaced if it exists.
            context: See the class.
            recipients: See the class.
            threads: For a regular file; 1 reads and writes in order.
            progress: Receives the number of bytes of *source* that are done.

        Raises:
            EncryptionError: If an argument is invalid, or *source* changed.
            KeyUnavailable: If the key service cannot wrap the key now.
            AccessDenied: If this identity may not wrap it.
            OSError: If a file cannot be read or written.

        """
        bound = bind(self.scope, context)
        with open_input(source) as file, PendingFile(target) as pending:
            cipher = self._start(pending.file, bound, recipients)
            if threads > 1 and is_divisible(file.fileno()):
                encrypt_parallel(cipher, file.fileno(), pending.file.fileno(), threads, progress)
            else:
                encrypt_stream(cipher, file, pending.file, progress)

    def decrypt_file(
        self,
        source: Path,
        target: Path,
        *,
        context: Context | None = None,
        identity: Path | None = None,
        threads: int = THREADS,
        progress: Progress = report_nothing,
    ) -> None:
        """Decrypt the file *source* as *target*, which appears when all of it was verified.

        Args:
            source: The encrypted file.
            target: Is replaced if it exists. Its mode is 0600.
            context: See the class.
            identity: See the class.
            threads: For a regular file; 1 reads and writes in order.
            progress: Receives the number of bytes of the body of *source* that are done.

        Raises:
            DecryptionFailed: If *source* is not authentic for *context*, or not whole.
            KeyUnavailable: If the key service cannot unwrap the key now.
            AccessDenied: If this identity may not unwrap it.
            OSError: If a file cannot be read or written.

        """
        with open_input(source) as file, PendingFile(target) as pending:
            cipher = self._open_header(file, context, identity)
            if threads > 1 and is_divisible(file.fileno()):
                decrypt_parallel(cipher, file.fileno(), pending.file.fileno(), threads, progress)
            else:
                decrypt_stream(cipher, file, pending.file, progress)

    def encrypt_stream(
        self,
        source: Source,
        target: Target,
        *,
        context: Context | None = None,
        recipients: Sequence[str] = (),
        progress: Progress = report_nothing,
    ) -> None:
        """Encrypt *source* up to its end, and write the encrypted file to *target*.

        Both are open, binary and without a buffer, such as pipes. See :meth:`encrypt_file`.
        """
        cipher = self._start(target, bind(self.scope, context), recipients)
        encrypt_stream(cipher, source, target, progress)

    def decrypt_stream(
        self,
        source: Source,
        target: Target,
        *,
        context: Context | None = None,
        identity: Path | None = None,
        progress: Progress = report_nothing,
    ) -> None:
        """Decrypt *source* up to its end, and write each part to *target* when it was verified.

        Without an exception, *target* has everything. See :meth:`decrypt_file`.
        """
        decrypt_stream(self._open_header(source, context, identity), source, target, progress)

    def create(
        self, path: Path, *, context: Context | None = None, recipients: Sequence[str] = ()
    ) -> ChunkWriter:
        """Return a file object for writing; *path* appears when it is closed.

        As a context manager it is discarded after an exception. See :meth:`encrypt_file`.
        """
        bound = bind(self.scope, context)
        pending = PendingFile(path)
        try:
            cipher = self._start(pending.file, bound, recipients)
        except BaseException:
            pending.discard()
            raise
        return ChunkWriter(cipher, pending.file, pending)

    def open(
        self, path: Path, *, context: Context | None = None, identity: Path | None = None
    ) -> io.BufferedReader:
        """Return a seekable file object for reading. See :meth:`decrypt_file`."""
        with open_input(path) as file:
            cipher = self._open_header(file, context, identity)
            reader = RandomAccessReader(cipher, os.dup(file.fileno()))
        return io.BufferedReader(reader, SEALED_SIZE)

    def writer(
        self, target: Target, *, context: Context | None = None, recipients: Sequence[str] = ()
    ) -> ChunkWriter:
        """Return a file object whose plaintext becomes an encrypted file in *target*.

        Closing it completes the file and leaves *target* open. See :meth:`encrypt_file`.
        """
        return ChunkWriter(self._start(target, bind(self.scope, context), recipients), target)

    def reader(
        self, source: Source, *, context: Context | None = None, identity: Path | None = None
    ) -> io.BufferedReader:
        """Return a file object that reads the encrypted file *source* in order.

        See :meth:`decrypt_file`.
        """
        cipher = self._open_header(source, context, identity)
        return io.BufferedReader(SequentialReader(cipher, source), SEALED_SIZE)

    def _start(self, target: Target, bound: bytes, recipients: Sequence[str]) -> BodyCipher:
        """Write the header of a new file, and return the cipher of its body."""
        key = self._keys.generate(recipients)
        header, cipher = key.start(Body.CHUNKS, bound, self._random)
        write_all(target, memoryview(header))
        return cipher

    def _open_header(
        self, source: Source, context: Context | None, identity: Path | None
    ) -> BodyCipher:
        """Return the cipher of the body of chunks that follows in *source*."""
        bound = bind(self.scope, context)
        identities = () if identity is None else read_identities(identity)
        header = read_header(source)
        if header.preamble.body is not Body.CHUNKS or header.preamble.bound != bound:
            raise_decryption_failed("file")
        return self._keys.unwrap(header, identities)

    def unwrap(self, header: Header, identities: Sequence[X25519PrivateKey] = ()) -> BodyCipher:
        """Return the cipher of the body of *header*, whose context the caller has checked."""
        return self._keys.unwrap(header, identities)

    def rewrap(
        self,
        path: Path,
        *,
        recipients: Sequence[str] | None = None,
        identity: Path | None = None,
    ) -> None:
        """Replace the wrapped keys in the header of *path* in place; the body stays.

        Args:
            path: The file. A damaged copy of its recipients is repaired.
            recipients: The recipients beside the default key from now on, for which the file key
                must be unwrapped; None to keep them, and only move the keys of the service to the
                newest version, which needs the permission ``rewrap`` alone.
            identity: See the class.

        Raises:
            DecryptionFailed: If the header is not authentic, or with *recipients*, the file is not
                of this service and environment.
            EncryptionError: If a recipient is malformed, or there is none.
            KeyUnavailable: If the key service cannot do it now.
            AccessDenied: If this identity may not do it.
            OSError: If the file cannot be read or written.

        """
        identities = () if identity is None else read_identities(identity)
        with open_input(path, os.O_RDWR) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)  # another one finishes within its deadline
            header = read_header(file, allow_damage=True)
            if recipients is None:
                renewed = self._keys.rewrap(header)
            else:
                renewed = self._keys.replace(header, recipients, identities)
            headers.replace_recipients(file, header, renewed)
