"""Keys of encrypted files, unwrapped by the auditor's login or by an identity of age."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import typer

from app_integration.client import Client
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.header import Header
from app_integration.encryption.files.x25519 import read_identities
from app_integration.errors import raise_decryption_failed
from app_integration.host_commands.options import offline_cipher
from app_integration.names import Environment, Scope
from app_integration.observability.log_file_reader import Unwrap
from app_integration.session.session import Session
from app_integration.settings import Settings
from console import operate
from console.operator_session import open_job_session
from vault.audit.archive.segment_file import header_scope
from vault.declare.server_names import AUDITOR_JOB


def read_origin(service: str | None, env: str | None) -> Scope | None:
    """Return the service and environment that two options name, None if they name none.

    Raises:
        BadParameter: If one of them is missing.

    """
    if (service is None) != (env is None):
        raise typer.BadParameter("pass --service and --env together")
    return Scope(service, operate.resolve_environment(env)) if service and env else None


@contextmanager
def open_unwrap(scope: Scope | None, identity: Path | None, root: Path) -> Iterator[Unwrap]:
    """Yield the function that unwraps the keys of files.

    Args:
        scope: Service and environment of the files; None is enough with an identity.
        identity: A file of private keys of age; None to log in as the auditor.
        root: Folder of the local deployment.

    Raises:
        BadParameter: If there is neither a scope nor an identity.
        ConfigurationError: If a credential or the identity is missing.

    """
    if identity is not None:
        yield _by_identities(identity)
        return
    if scope is None:
        raise typer.BadParameter("pass --service and --env, or --identity")
    with open_job_session(scope.environment.value, root, AUDITOR_JOB) as session:
        mounts = operate.load_declaration().environment(scope.environment).mounts
        client = Client(Settings(scope, "", mounts=mounts), session=session)
        yield client.files(None).unwrap


def unwrap_any(session: Session, environment: Environment) -> Unwrap:
    """Return the function that unwraps the keys of files of any service.

    Args:
        session: The auditor's.
        environment: Its mounts are used.

    """
    mounts = operate.load_declaration().environment(environment).mounts

    @cache
    def open_client(scope: Scope) -> Client:
        return Client(Settings(scope, "", mounts=mounts), session=session)

    return lambda header: open_client(_read_scope(header)).files(None).unwrap(header)


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
