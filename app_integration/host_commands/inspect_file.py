"""Command ``inspect-file``: what the header of an encrypted file says, without a key."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from app_integration._internal.cli import ArgumentParser
from app_integration._internal.input_file import open_input
from app_integration.encryption import kms_ciphertext, transit_ciphertext
from app_integration.encryption.files import header as headers
from app_integration.encryption.files.chunks import plain_size
from app_integration.encryption.files.preamble import Body
from app_integration.encryption.files.recipient import (
    KEY_SERVICE,
    X25519,
    Recipient,
    read_service_key,
)
from app_integration.encryption.tokens.encryption_context import ContextValue
from app_integration.host_commands import options as shared
from app_integration.host_commands.option_catalogue import FILE


def main(arguments: Sequence[str]) -> int:
    """Run the command. It sends no request."""
    parser = _parser()
    return shared.run(parser.prog, _run, parser.parse_args(arguments))


def _run(options: Namespace) -> None:
    print(json.dumps(inspect(options.file), indent=2))  # noqa: T201 (a command's output)


def inspect(path: Path) -> Mapping[str, Any]:
    """Return what the header of *path* says. Nothing of it is verified."""
    with shared.name_rejected(path), open_input(path) as file:
        header = headers.read_header(file, allow_damage=True)
    preamble = header.preamble
    context = {name: _show(value) for name, value in preamble.context.items()}
    body = path.stat().st_size - headers.SIZE
    services = [each for each in header.recipients if each.kind == KEY_SERVICE]
    size = {"bytes": plain_size(body)} if preamble.body is Body.CHUNKS else {}
    return {
        "body": preamble.body.name.lower(),
        **size,
        "context": context,
        "recipients": [_describe(each) for each in header.recipients],
        "key_versions": dict(map(_read_version, services)),
        "damaged": not header.is_intact,
    }


def _show(value: ContextValue) -> str | int:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, UUID) else value


def _read_version(recipient: Recipient) -> tuple[str, int | str]:
    """Return a key of a service, and the version or KMS key of it that wrapped the file's key."""
    key, wrapped = read_service_key(recipient)
    kms = kms_ciphertext.parse(wrapped)
    return key.text, transit_ciphertext.version(wrapped) if kms is None else kms.key


def _describe(recipient: Recipient) -> str:
    if recipient.kind == KEY_SERVICE:
        return read_service_key(recipient)[0].text
    return "age" if recipient.kind == X25519 else f"unknown type {recipient.kind}"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m app_integration inspect-file",
        description="Show what the header of an encrypted file says. Nothing of it is verified.",
    )
    FILE.add_to(parser)
    return parser
