"""Command ``encrypt-file``: encrypt a file or standard input."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from app_integration._internal.cli import ArgumentParser
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import ConfigurationError
from app_integration.host_commands import option_catalogue as listed
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import PIPE


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    return shared.run(parser.prog, _run, parser.parse_args(arguments))


def _run(options: Namespace) -> None:
    key = None if options.no_key else options.key
    with shared.open_cipher(options, key, needs_server=not options.no_key) as cipher:
        encrypt(cipher, options)


def encrypt(cipher: FileCipher, options: Namespace) -> None:
    """Encrypt the source that *options* name as their target.

    After an error there is no target, except a pipe.
    """
    if options.target == PIPE and os.isatty(1):
        raise ConfigurationError("an encrypted file is not for a terminal; name a target")
    shared.check_target(options)
    context, recipients = shared.read_context(options.context), options.recipient or ()
    with shared.show_progress(options.source) as bar:
        if PIPE not in {options.source, options.target}:
            source, target = Path(options.source), Path(options.target)
            cipher.encrypt_file(
                source, target, context=context, recipients=recipients, progress=bar
            )
            return
        with shared.open_source(options.source) as file, shared.open_target(options.target) as out:
            cipher.encrypt_stream(file, out, context=context, recipients=recipients, progress=bar)


def _parser() -> ArgumentParser:
    options = (listed.SOURCE, listed.TARGET, listed.FORCE, listed.CONTEXT, listed.RECIPIENT)
    text = "Encrypt a file, or standard input."
    return shared.parser("encrypt-file", text, *options, listed.FILE_KEY, listed.NO_KEY)
