"""Keys of encrypted files, unwrapped by the auditor's login or by an identity of age."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import typer

from app_integration.client import Client
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.header import Header
from app_integration.encryption.files.x25519 import read_identities
from app_integration.errors import raise_decryption_failed
from app_integration.host_commands.options import offline_cipher
from app_integration.names import Scope
from app_integration.observability.log_file_reader import Unwrap
from app_integration.session.session import Session
from app_integration.settings import Settings
from console.target.sessions import open_job_session
from console.target.target import Target, open_target
from vault.audit.archive.segment_file import header_scope
from vault.declare.server_names import AUDITOR_JOB


@dataclass(frozen=True, slots=True)
class Origin:
    """Service and environment of encrypted files, as two options name them."""

    target: Target
    scope: Scope


def read_origin(service: str | None, env: str | None, root: Path) -> Origin | None:
    """Return what two options name, None if they name nothing."""
    if (service is None) != (env is None):
        raise typer.BadParameter("pass --service and --env together")
    if not service or not env:
        return None
    target = open_target(env, root)
    return Origin(target, target.scope(service))


@contextmanager
def open_unwrap(origin: Origin | None, identity: Path | None) -> Iterator[Unwrap]:
    """Yield the function that unwraps the keys of files, by an identity or else as the auditor."""
    if identity is not None:
        yield _by_identities(identity)
        return
    if origin is None:
        raise typer.BadParameter("pass --service and --env, or --identity")
    with open_job_session(origin.target, AUDITOR_JOB) as session:
        yield _open_client(session, origin.target, origin.scope).files(None).unwrap


def unwrap_any(session: Session, target: Target) -> Unwrap:
    """Return the function that unwraps the keys of files of any service."""
    open_client = cache(partial(_open_client, session, target))
    return lambda header: open_client(_read_scope(header)).files(None).unwrap(header)


def _open_client(session: Session, target: Target, scope: Scope) -> Client:
    return Client(Settings(scope, "", mounts=target.declared.mounts), session=session)


def _by_identities(identity: Path) -> Unwrap:
    identities = read_identities(identity)

    def unwrap(header: Header) -> BodyCipher:
        return offline_cipher(_read_scope(header)).unwrap(header, identities)

    return unwrap


def _read_scope(header: Header) -> Scope:
    scope = header_scope(header)
    if scope is None:
        raise_decryption_failed("file")
    return scope
