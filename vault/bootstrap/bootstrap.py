"""Bootstrap of a deployment on a server that is initialised.

The administrator's token only prepares the apply role; all else is applied with that role's own
login. Each step may be repeated, so that the next run completes one that was killed, also if the
administrator's token is revoked already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import Stamp, stamp, write_private
from app_integration.auth.methods import AppRole, AuthMethod, StaticToken
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    RequestRefused,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.bootstrap import administrator_token, break_glass, journal
from vault.bootstrap.administrator_token import AdministratorToken
from vault.bootstrap.journal import Journal
from vault.declare import durations
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB, JOBS
from vault.owned_folder import claim, remove_tree
from vault.progress import Step
from vault.reconcile import wrapped_secret_id
from vault.reconcile.credentials import CREDENTIALS, ensure_credential
from vault.reconcile.resources import Resource
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import strip_ownership


def check_audit(session: Session, *, elsewhere: bool) -> None:
    """Check that the server has an audit device, unless the operator says it is *elsewhere*."""
    if elsewhere:
        return
    try:
        devices = session.get("sys/audit").get("data")
    except (AccessDenied, RequestRefused):
        raise ConfigurationError(
            "the audit devices cannot be read with this token, or in this namespace; if the "
            "server has one, pass --audit-elsewhere. Nothing was changed"
        ) from None
    if not devices:
        raise ConfigurationError(
            "the server has no audit device, so that nobody could tell later who read what. On "
            'OpenBao, add \'audit "file" "main" { options = { file_path = "/var/log/…" } }\' to '
            "the server's configuration and send it SIGHUP; on Vault, run 'vault audit enable "
            "file file_path=/var/log/…'. Then run this again. Nothing was changed"
        )


#: TTL of the secret-id that the bootstrap itself logs in with, in seconds.
OWN_TTL: Final = 15 * durations.MINUTE


@dataclass(frozen=True, slots=True)
class Result:
    """What a bootstrap leaves.

    *alive* and *unproven* are the accessor of the administrator's token: it was not revoked, or it
    was and no session here may look it up. *reissued* are jobs whose wrapped secret-id could not be
    opened.
    """

    folders: dict[str, Path]
    alive: str | None = None
    unproven: str | None = None
    reissued: tuple[str, ...] = ()
    lack: str | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Bootstrap of one environment.

    *wrap_ttl* is in seconds, within which the receivers must open the secret-ids; None hands over
    plain ones. That of the bootstrap itself is always plain.
    """

    declared: EnvironmentDeclaration
    preparation: Sequence[Resource]
    folder: Path
    open_session: Callable[[AuthMethod], Session]
    apply: Callable[[Session], object]
    step: Step = field(repr=False)
    wrap_ttl: int | None = None

    def run(self, token: Secret, *, audit_elsewhere: bool = False) -> Result:
        """Prepare, apply, hand over, and revoke the token if it has the policy ``root``."""
        before = self._stamp_wrapped()
        with self.open_session(StaticToken(token)) as given:
            found, begun = self._begin(given, audit_elsewhere=audit_elsewhere)
            if found is not None:
                with self.step("apply role prepared"):
                    self._prepare(given)
            operator = self._open_apply_session()
            if operator is None and found is None and begun.is_ended:
                self._erase_own()
                return Result(self._folders)
            if operator is None:
                raise self._no_login()
            with operator:
                with self.step("declaration applied"):
                    self.apply(operator)
                with self.step("credentials handed over"):
                    self._hand_over(operator)
                unproven = None
                if begun.accessors:
                    with self.step("root token revoked, and looked up by its accessor"):
                        unproven = administrator_token.revoke_noted(
                            begun.accessors, operator, given, found
                        )
                if unproven is None:
                    replace(begun, is_ended=True).save(self._journal)
                lack = break_glass.find_lack(operator, self.declared)
                self._destroy_own(operator)
        alive = found.accessor if found and not found.is_root else None
        after = self._stamp_wrapped()
        reissued = tuple(role for role in before if before[role] and after[role] != before[role])
        return Result(self._folders, alive, unproven, reissued, lack)

    def _begin(
        self, given: Session, *, audit_elsewhere: bool
    ) -> tuple[AdministratorToken | None, Journal]:
        """Check token and server, and note the token that must be revoked.

        The token is None if it is not accepted and an earlier run may be completed without it.
        """
        status = given.get("sys/seal-status")
        if status.get("sealed"):
            raise ConfigurationError(
                "the server is sealed or not initialised; unseal it, then run this again. Nothing "
                "was changed"
            )
        cluster = status["cluster_id"]
        begun = journal.load(self._journal)
        if begun is not None:
            begun.check_cluster(cluster, self._journal)
        try:
            found = administrator_token.inspect(given)
        except (AccessDenied, AuthenticationFailed):
            if begun is None:
                raise ConfigurationError(
                    "the server does not accept the token you passed, or it may not look itself "
                    f"up, and no earlier run in {self.folder} is to be completed; pass another "
                    "token. Nothing was changed"
                ) from None
            return None, begun
        check_audit(given, elsewhere=audit_elsewhere)
        noted = begun.accessors if begun else ()
        if found.is_root:
            noted = tuple(dict.fromkeys((*noted, found.accessor)))
        begun = Journal(cluster, noted)
        begun.save(self._journal)
        return found, begun

    def _prepare(self, given: Session) -> None:
        """Write what the apply role needs, and issue its credential and the bootstrap's own."""
        for resource in self.preparation:
            plain = strip_ownership(resource)
            before = plain.read(given)
            # A mount that is there belongs to others, too, if the role is scoped.
            if before is None or not (self.declared.is_scoped and isinstance(plain, Mount)):
                plain.write(given, before)
        if APPLY_JOB in self._jobs:
            self._ensure(given, APPLY_JOB)
        path = f"{self.declared.mounts.auth}/role/{self._role(APPLY_JOB)}"
        name = given.get(f"{path}/role-id")["data"]["role_id"]
        issued = given.post(f"{path}/secret-id", {"ttl": f"{OWN_TTL}s"}, retry=False)["data"]
        write_private(self._own / "role-id", name)
        write_private(self._own / "secret-id", issued["secret_id"])

    def _open_apply_session(self) -> Session | None:
        """Open a session of the apply role; return None if the server accepts no credential.

        The bootstrap's own credential comes first, then the one that was handed over.
        """
        for folder in (self._own, self._folder(APPLY_JOB)):
            files = folder / "role-id", folder / "secret-id"
            if not all(file.exists() for file in files):
                continue
            session = self.open_session(AppRole(*files, self.declared.mounts.approle))
            try:
                session.get("auth/token/lookup-self")
            except AuthenticationFailed:
                session.close()
            else:
                return session
        return None

    def _no_login(self) -> ConfigurationError:
        wrapped = self._folder(APPLY_JOB) / wrapped_secret_id.FILE
        hint = f"open {wrapped} and run this again, or " if wrapped.exists() else ""
        return ConfigurationError(
            "the server does not accept the token you passed, or it may not look itself up, and "
            f"no credential of {self._role(APPLY_JOB)} in {self.folder} is accepted; {hint}run "
            "this again with a new token, such as one that 'operator generate-root' of bao or "
            "vault makes"
        )

    def _hand_over(self, operator: Session) -> None:
        """Issue what is missing."""
        for job in self._jobs:
            if job != APPLY_JOB:
                self._ensure(operator, job)

    def _destroy_own(self, operator: Session) -> None:
        """Destroy the secret-id that the bootstrap logged in with, and erase the journal.

        A scoped apply role may not destroy it, but it expires by itself.
        """
        secret_id = self._own / "secret-id"
        if secret_id.exists() and not self.declared.is_scoped:
            path = f"{self.declared.mounts.auth}/role/{self._role(APPLY_JOB)}/secret-id/destroy"
            operator.post(path, {"secret_id": secret_id.read_text(encoding="utf-8")})
        self._erase_own()

    def _erase_own(self) -> None:
        claim(self.folder, CREDENTIALS)
        remove_tree(self._own)

    def _ensure(self, session: Session, job: str) -> None:
        role, folder, mounts = self._role(job), self._folder(job), self.declared.mounts
        ensure_credential(session, role, folder, mounts, self.wrap_ttl)

    def _stamp_wrapped(self) -> dict[str, Stamp | None]:
        """Return the current state of each job's wrapped secret-id."""
        folders = self._folders.items()
        return {role: stamp(folder / wrapped_secret_id.FILE) for role, folder in folders}

    @property
    def _folders(self) -> dict[str, Path]:
        """Return the folder of each credential, by role."""
        return {self._role(job): self._folder(job) for job in self._jobs}

    @property
    def _jobs(self) -> list[str]:
        """Return the jobs that get a credential: those that do not log in by JWT."""
        return [job for job in JOBS if getattr(self.declared.jobs, _short(job)) is None]

    def _role(self, job: str) -> str:
        return self.declared.server_name(job)

    def _folder(self, job: str) -> Path:
        return self.folder / _short(job) / str(self.declared.environment)

    @property
    def _own(self) -> Path:
        return self.folder / "bootstrap" / str(self.declared.environment)

    @property
    def _journal(self) -> Path:
        return self._own / "journal.json"


def _short(job: str) -> str:
    """Return the name of *job* in an environment's file, such as ``plan``."""
    return job.rpartition("-")[2]
