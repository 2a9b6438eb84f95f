"""AppRole credentials in files, and the bootstrap of ``strongroom-apply`` with a root token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import write_private
from app_integration.errors import RequestRefused, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import HOST_KEY, ISSUED_KEY
from app_integration.permissions import need
from app_integration.session.session import Session
from vault.declare.server_names import APPLY_JOB, JOBS
from vault.owned_folder import FolderKind
from vault.reconcile import wrapped_secret_id
from vault.reconcile.resources import Resource
from vault.reconcile.resources.ownership import strip_ownership


def bootstrap(
    root: Session,
    resources: Iterable[Resource],
    folder: Path,
    role: str = APPLY_JOB,
    mounts: Mounts = DEFAULT_MOUNTS,
) -> None:
    """Create the apply role with its credential in *folder*, then revoke the root token.

    This writes the declared resources themselves, so a later plan changes nothing in them except
    the ownership metadata, for which there is no KV mount yet.
    """
    for resource in resources:
        plain = strip_ownership(resource)
        plain.write(root, plain.read(root))
    ensure_credential(root, role, folder, mounts)
    root.post("auth/token/revoke-self", retry=False)


def ensure_credential(
    session: Session,
    role: str,
    folder: Path,
    mounts: Mounts = DEFAULT_MOUNTS,
    wrap_ttl: int | None = None,
) -> bool:
    """Write a valid credential of *role* to *folder*; return whether it was issued.

    One in *folder* that the server still accepts is kept, be it wrapped or not.
    """
    if (folder / "role-id").exists() and _has_valid_secret_id(session, role, folder, mounts):
        return False
    issue_credential(session, role, folder, mounts, wrap_ttl=wrap_ttl)
    return True


def issue_credential(
    session: Session,
    role: str,
    folder: Path,
    mounts: Mounts = DEFAULT_MOUNTS,
    *,
    ttl: int | None = None,
    wrap_ttl: int | None = None,
    name: str | None = None,
    host: str | None = None,
) -> None:
    """Write a role-id and a new secret-id of *role* to *folder*, in place of one that is there.

    TTLs are in seconds; without *ttl* it is the role's, and without *wrap_ttl* nothing is wrapped.
    *name* is in the metadata of its tokens, so that the audit log shows which one a login used.
    """
    body = secret_id_body(name or secrets.token_hex(8), host, ttl)
    endpoint = secret_id_endpoint(role, mounts)
    with _new_folder(folder):  # before the request, so that no secret-id is issued that is lost
        role_id = session.get(f"{mounts.auth}/role/{role}/role-id")["data"]["role_id"]
        issued = session.post(endpoint, body, wrap_ttl=wrap_ttl, retry=False)
    write_private(folder / "role-id", role_id)
    if wrap_ttl is None:
        write_private(folder / "secret-id", issued["data"]["secret_id"])
        (folder / wrapped_secret_id.FILE).unlink(missing_ok=True)
    else:
        write_private(folder / wrapped_secret_id.FILE, issued["wrap_info"]["token"])
        (folder / "secret-id").unlink(missing_ok=True)


def _is_earlier(folder: Path, _names: Collection[str]) -> bool:
    """Return whether there is the credential of a role, or of a job for an environment."""
    jobs = ("bootstrap", *(name.rpartition("-")[2] for name in JOBS))
    patterns = (
        "role-id",
        "*/role-id",
        "bootstrap/*/journal.json",
        *(f"{job}/*/role-id" for job in jobs),
    )
    return any(True for pattern in patterns for _ in folder.glob(pattern))


#: Folder from which credentials are handed over.
CREDENTIALS: Final = FolderKind("credentials", "folder of credentials", "--out", _is_earlier)


@contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make *folder*, and after an error of the block remove what was made and is empty."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    except StrongroomError:
        with suppress(OSError):
            for each in made:
                each.rmdir()
        raise


def secret_id_body(name: str, host: str | None, ttl: int | None) -> dict[str, str]:
    """Return the body of a request for a secret-id. See :func:`issue_credential`."""
    metadata = {ISSUED_KEY: name} | ({} if host is None else {HOST_KEY: host})
    return {"metadata": json.dumps(metadata)} | ({} if ttl is None else {"ttl": f"{ttl}s"})


def secret_id_endpoint(role: str, mounts: Mounts) -> str:
    """Return the API path that issues secret-ids of *role*."""
    return need("issue-secret-id", role, mounts).path


def _has_valid_secret_id(session: Session, role: str, folder: Path, mounts: Mounts) -> bool:
    endpoint, secret_id = secret_id_endpoint(role, mounts), folder / "secret-id"
    if secret_id.exists() and _is_valid(session, endpoint, secret_id.read_text(encoding="utf-8")):
        return True
    return wrapped_secret_id.is_valid(session, folder, endpoint)


def _is_valid(session: Session, endpoint: str, secret_id: str) -> bool:
    try:
        return bool(session.post(f"{endpoint}/lookup", {"secret_id": secret_id}))
    except RequestRefused:
        return False
