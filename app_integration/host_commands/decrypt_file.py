"""Command ``decrypt-file``: decrypt a file or standard input."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from app_integration._internal.cli import ArgumentParser
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.host_commands import option_catalogue as listed
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import PIPE


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    parser = _parser()
    return shared.run(parser.prog, _run, parser.parse_args(arguments))


def _run(options: Namespace) -> None:
    with shared.open_cipher(options, "pii", needs_server=options.identity is None) as cipher:
        decrypt(cipher, options)


def decrypt(cipher: FileCipher, options: Namespace) -> None:
    """Decrypt the source that *options* name as their target.

    After an error there is no target, except a pipe.
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
