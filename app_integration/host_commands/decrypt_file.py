"""Command ``decrypt-file``: decrypt a file or standard input."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from app_integration._internal.cli import ArgumentParser
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.host_commands import option_catalogue as listed
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import PIPE


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The exit code: 0 if all of the source was verified, or 1 after an error. Then there is no
        target, and standard output has only the verified start. Wrong usage exits with 64.

    """
    parser = _parser()
    return shared.run(parser.prog, partial(_run, parser.parse_args(arguments)))


def _run(options: Namespace) -> None:
    with shared.open_cipher(options, "pii", needs_server=options.identity is None) as cipher:
        decrypt(cipher, options)


def decrypt(cipher: FileCipher, options: Namespace) -> None:
    """Decrypt the source that *options* name as their target.

    Raises:
        ConfigurationError: If an option is invalid, or the target exists. Nothing was sent.
        StrongroomError: If it cannot be decrypted. There is no target, except a pipe.
        OSError: If a file cannot be read or written.

    """
    shared.check_target(options)
    context, identity = shared.read_context(options.context), options.identity
    with shared.name_rejected(options.source), shared.show_progress(options.source) as bar:
        if PIPE not in {options.source, options.target}:
            source, target = Path(options.source), Path(options.target)
            cipher.decrypt_file(source, target, context=context, identity=identity, progress=bar)
            return
        with shared.open_source(options.source) as file, shared.open_target(options.target) as out:
            cipher.decrypt_stream(file, out, context=context, identity=identity, progress=bar)


def _parser() -> ArgumentParser:
    options = (listed.SOURCE, listed.TARGET, listed.FORCE, listed.CONTEXT, listed.IDENTITY)
    return shared.parser("decrypt-file", "Decrypt a file, or standard input.", *options)
