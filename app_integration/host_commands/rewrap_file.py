"""Command ``rewrap-file``: replace the wrapped keys in the headers of files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from app_integration._internal.cli import ArgumentParser
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import DecryptionFailed, EncryptionError
from app_integration.host_commands import option_catalogue as listed
from app_integration.host_commands import options as shared


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    return shared.run(parser.prog, _run, parser.parse_args(arguments))


def _run(options: Namespace) -> None:
    with shared.open_cipher(options, options.key) as cipher:
        rewrap(cipher, options)


def rewrap(cipher: FileCipher, options: Namespace) -> None:
    """Rewrap the files that *options* name, also those after a damaged or a missing one.

    Otherwise the later files would keep a version of the key that is retired after the rewrap. An
    outage or a denial ends it at once.
    """
    failed = []
    for path in options.files:
        try:
            with shared.name_rejected(path):
                cipher.rewrap(path, recipients=options.recipient, identity=options.identity)
        except DecryptionFailed as error:
            failed.append(str(error))
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    if failed:
        count = len(options.files)
        rest = [f"{count - len(failed)} of {count} files were rewrapped"] if count > 1 else []
        raise EncryptionError("\n".join([*failed, *rest]))


def _parser() -> ArgumentParser:
    key = replace(listed.FILE_KEY, help=f"with --recipient: {listed.FILE_KEY.help}")
    return shared.parser(
        "rewrap-file",
        "Move files to the newest version of the service's keys, or to other recipients.",
        *(listed.FILES, listed.RECIPIENT, listed.IDENTITY, key),
    )
