"""Public functions for encrypted files and logs, which use the process's client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from app_integration import default_client

if TYPE_CHECKING:
    from io import BufferedReader

    from app_integration.encryption.files.chunk_writer import ChunkWriter
    from app_integration.observability.encrypted_log import EncryptedLogHandler


def encrypt_file(
    source: str | Path,
    target: str | Path,
    *,
    context: Mapping[str, Any] | None = None,
    key: str | None = "pii",
    recipients: Sequence[str] = (),
) -> None:
    """Encrypt the file *source* as *target*, which appears when it is whole, with mode 0600.

    Args:
        source: A file, which must not change during the call, or a pipe.
        target: Is replaced if it exists.
        context: What the file is of, such as ``{"of": "export"}``. The service and the environment
            are always part of it. Decryption needs the same; it can be read without a key.
        key: The service's Transit key, with which the file can be decrypted; None for none.
        recipients: Who else can decrypt it: public keys of age (``age1…``), names of keys of the
            service, or ``<service>/<environment>/<key name>``.

    Raises:
        EncryptionError: If an argument is invalid, or *source* changed during the call.
        KeyUnavailable: If the file key cannot be wrapped now.
        AccessDenied: If this identity may not wrap it.
        OSError: If a file cannot be read or written.

    """
    cipher = default_client.get_default_client().files(key)
    cipher.encrypt_file(Path(source), Path(target), context=context, recipients=recipients)


def decrypt_file(
    source: str | Path,
    target: str | Path,
    *,
    context: Mapping[str, Any] | None = None,
    identity: str | Path | None = None,
) -> None:
    """Decrypt the file *source* as *target*, which appears when all of it was verified.

    Args:
        source: An encrypted file.
        target: Is replaced if it exists. Its mode is 0600.
        context: The context that it was encrypted with.
        identity: A file of private keys of age, in place of the server.

    Raises:
        DecryptionFailed: If *source* is not authentic for this service, environment and *context*,
            or not whole.
        KeyUnavailable: If its key cannot be unwrapped now.
        AccessDenied: If this identity may not unwrap it.
        OSError: If a file cannot be read or written.

    """
    cipher = default_client.get_default_client().files()
    cipher.decrypt_file(Path(source), Path(target), context=context, identity=_path(identity))


@overload
def open_encrypted(
    path: str | Path, mode: Literal["rb"] = "rb", **options: Any
) -> BufferedReader: ...
@overload
def open_encrypted(path: str | Path, mode: Literal["wb"], **options: Any) -> ChunkWriter: ...
def open_encrypted(
    path: str | Path, mode: Literal["rb", "wb"] = "rb", **options: Any
) -> BufferedReader | ChunkWriter:
    r"""Open an encrypted file, and return a binary file object of its plaintext.

    >>> with open_encrypted("report.csv.encrypted", "wb") as file:      # doctest: +SKIP
    ...     file.write(b"name;total\n")

    For reading it is seekable, and nothing is returned that was not verified. For writing, *path*
    appears when the file object is closed; after an exception in a ``with`` block it does not.

    Args:
        path: The encrypted file.
        mode: ``rb`` or ``wb``; any other is a :exc:`ValueError`.
        options: *context*; and *identity* to read, or *key* and *recipients* to write. See
            :func:`decrypt_file` and :func:`encrypt_file`, also for the errors.

    """
    if mode not in {"rb", "wb"}:
        raise ValueError(f"mode {mode!r} is not supported; use 'rb' or 'wb'")
    client = default_client.get_default_client()
    if mode == "wb":
        return client.files(options.pop("key", "pii")).create(Path(path), **options)
    identity = _path(options.pop("identity", None))
    return client.files().open(Path(path), identity=identity, **options)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def encrypted_log_handler(
    folder: Path | str, *, log: str = "app", key: str = "audit", **options: Any
) -> EncryptedLogHandler:
    """Return a handler for ``logging`` that encrypts each record for the readers of *key*.

    >>> logging.getLogger().addHandler(encrypted_log_handler("/var/log/shop"))  # doctest: +SKIP

    Args:
        folder: Folder of the files, which exists.
        log: Name of the log, with which the names of its files begin.
        key: The service's Transit key. The policy must grant ``encrypt`` with it, and no more.
        options: *max_bytes* and *max_age* in seconds, after which the next file starts; and
            *recipients* who can decrypt the files, too, such as public keys of age (``age1…``).

    Raises:
        AccessDenied: If the policy does not grant ``encrypt`` with the key.
        ConfigurationError: If this process may not write to the folder, or an argument is wrong.
        KeyUnavailable: If the key service cannot wrap a key now. There is no handler then.

    """
    from app_integration.observability.encrypted_log import EncryptedLogHandler  # noqa: PLC0415 (loads the ciphers)

    files = default_client.get_default_client().files(key)
    return EncryptedLogHandler(files, folder, log, **options)
