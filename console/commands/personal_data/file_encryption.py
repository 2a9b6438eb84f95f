"""Commands for encrypted files: those of ``python -m app_integration``, for a declared service."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from app_integration.host_commands import decrypt_file as decrypting
from app_integration.host_commands import encrypt_file as encrypting
from app_integration.host_commands import inspect_file as inspecting
from app_integration.host_commands import option_catalogue as listed
from app_integration.host_commands import rewrap_file as rewrapping
from app_integration.host_commands.options import offline_cipher
from console.commands.personal_data.host_command import host_command
from console.target.service_client import open_service_client
from console.target.target import Target

_CONTEXT: Final = replace(listed.CONTEXT, help="NAME=TEXT of what the file is of; repeatable")
_ENCRYPTED: Final = (_CONTEXT, listed.RECIPIENT, listed.FILE_KEY, listed.NO_KEY, listed.FORCE)


@host_command(listed.SOURCE, listed.TARGET, *_ENCRYPTED)
def encrypt_file(target: Target, options: Namespace) -> None:
    """Encrypt a file, or standard input."""
    if options.no_key:
        encrypting.encrypt(offline_cipher(target.scope(options.service)), options)
        return
    with open_service_client(target, options.service) as client:
        encrypting.encrypt(client.files(options.key), options)


@host_command(listed.SOURCE, listed.TARGET, _CONTEXT, listed.IDENTITY, listed.FORCE)
def decrypt_file(target: Target, options: Namespace) -> None:
    """Decrypt a file, or standard input. A target appears when all of it was verified."""
    if options.identity is not None:
        decrypting.decrypt(offline_cipher(target.scope(options.service)), options)
        return
    with open_service_client(target, options.service) as client:
        decrypting.decrypt(client.files(), options)


@host_command(listed.FILES, listed.RECIPIENT, listed.IDENTITY, listed.FILE_KEY)
def rewrap_file(target: Target, options: Namespace) -> None:
    """Move files to the newest version of the service's keys, or to other recipients."""
    with open_service_client(target, options.service) as client:
        rewrapping.rewrap(client.files(options.key), options)


def inspect_file(file: Annotated[Path, typer.Argument(help=listed.FILE.help)]) -> None:
    """Show what the header of an encrypted file says. Nothing of it is verified."""
    typer.echo(json.dumps(inspecting.inspect(file), indent=2))
