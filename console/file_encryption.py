"""Commands for encrypted files: those of ``python -m app_integration``, for a declared service."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Annotated

import typer

from app_integration import names
from app_integration.host_commands import decrypt_file as decrypting
from app_integration.host_commands import encrypt_file as encrypting
from app_integration.host_commands import inspect_file as inspecting
from app_integration.host_commands import rewrap_file as rewrapping
from app_integration.host_commands.options import PIPE, offline_cipher
from app_integration.names import Scope
from console import operate
from console.options import Env, Identity, Root, Service
from console.service_client import open_service_client

Source = Annotated[str, typer.Argument(help="a file, or - for standard input")]
Target = Annotated[str, typer.Argument(help="a file; standard output without")]
Force = Annotated[bool, typer.Option("--force", help="replace an existing target")]
ContextEntries = Annotated[
    list[str] | None, typer.Option("--context", help="NAME=TEXT of what the file is of; repeatable")
]
Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient",
        help="who else can decrypt it: age1…, a key of the service, or service/env/key",
    ),
]
Key = Annotated[str, typer.Option("--key", help="the service's key")]


def encrypt_file(
    source: Source,
    service: Service,
    env: Env,
    target: Target = PIPE,
    context: ContextEntries = None,
    recipient: Recipients = None,
    key: Key = "pii",
    no_key: Annotated[bool, typer.Option("--no-key", help="for the recipients alone")] = False,
    force: Force = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Encrypt a file, or standard input."""
    options = Namespace(
        source=source, target=target, context=context or [], recipient=recipient, force=force
    )
    if no_key:
        encrypting.encrypt(offline_cipher(_scope(service, env)), options)
        return
    with open_service_client(service, env, root) as client:
        encrypting.encrypt(client.files(key), options)


def decrypt_file(
    source: Source,
    service: Service,
    env: Env,
    target: Target = PIPE,
    context: ContextEntries = None,
    identity: Identity = None,
    force: Force = False,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Decrypt a file, or standard input. A target appears when all of it was verified."""
    options = Namespace(
        source=source, target=target, context=context or [], identity=identity, force=force
    )
    if identity is not None:
        decrypting.decrypt(offline_cipher(_scope(service, env)), options)
        return
    with open_service_client(service, env, root) as client:
        decrypting.decrypt(client.files(), options)


def rewrap_file(
    files: Annotated[list[Path], typer.Argument(help="encrypted files")],
    service: Service,
    env: Env,
    recipient: Recipients = None,
    identity: Identity = None,
    key: Key = "pii",
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Move files to the newest version of the service's keys, or to other recipients."""
    options = Namespace(files=files, recipient=recipient, identity=identity)
    with open_service_client(service, env, root) as client:
        rewrapping.rewrap(client.files(key), options)


def inspect_file(file: Annotated[Path, typer.Argument(help="an encrypted file")]) -> None:
    """Show what the header of an encrypted file says. Nothing of it is verified."""
    typer.echo(json.dumps(inspecting.inspect(file), indent=2))


def _scope(service: str, env: str) -> Scope:
    return Scope(service, names.parse_environment(env))
