"""Rotation of secret-ids on a real server: clients that move, kills, compromise, and undoing."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app_integration._internal.private_file import write_private
from app_integration.auth.methods import AppRole, StaticToken
from app_integration.auth.wrapped_approle import WrappedAppRole
from app_integration.client import Client
from app_integration.errors import AccessDenied, ConfigurationError, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import AGENT_ISSUED
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import build_rotation, dev_context
from tests.support.polling import wait_until
from tests.support.processes.killed_requests import kill_after_each_request
from tests.support.servers.deployment import Deployment
from vault.reconcile.credentials import issue_credential
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.consumers.login_log import LoginLog, read_login_log
from vault.rotation.handover import Handover
from vault.rotation.inventory import Item
from vault.rotation.issued_secret_ids import AppRoleCredentials
from vault.rotation.item_kind import Kind
from vault.rotation.kinds.secret_id import SecretIdRotation
from vault.rotation.record import Step
from vault.rotation.response_log import FileLog
from vault.rotation.rotation import OwnedElsewhere, Rotation

pytestmark = pytest.mark.requires("embedded")

#: Numbers of the roles, because a log has the logins of earlier tests.
NUMBERS = itertools.count(1)


class Site(RotatedSite):
    """Rotations of the secret-ids of one role."""

    waits = False  # nothing else logs in with the credential of the contract
    created_each = None

    def __init__(self, deployment: Deployment, folder: Path, role: str) -> None:
        self.deployment = deployment
        self.role = role
        self.used = folder / role
        self.handover = Handover(find_used=lambda _role: self.used)
        self.logs = True
        self.ahead = timedelta()
        self.credentials = AppRoleCredentials(deployment.operator, role, DEFAULT_MOUNTS.auth)

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    def rotation(self, session: Session | None = None) -> Rotation:
        context = dev_context(
            self.deployment.local.declaration,
            session or self.deployment.operator,
            lambda: datetime.now(UTC) + self.ahead,
        )
        context = replace(context, handover=self.handover, read_logins=self.read_logins)
        item = Item(Kind.SECRET_ID, "gaara-store", self.role, self.role, 86_400, is_declared=True)
        return build_rotation(context, item)

    def current(self) -> str:
        return (self.used / "secret-id").read_text()

    def is_accepted(self, value: str) -> bool:
        with TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(self.used / "role-id", folder)
            write_private(folder / "secret-id", value)
            return self.can_log_in(folder)

    def is_alone(self) -> bool:
        assert not (self.used / "previous-secret-id").exists()
        assert self.credentials.tokens() == []
        return len(self.names()) == 1

    def read_logins(self) -> LoginLog | None:
        self.deployment.refresh("vault/audit")
        files = self.deployment.layout.audit_logs
        return read_login_log(FileLog.of(files), "auth/approle/login") if self.logs else None

    def declare(self, period: int = 60) -> None:
        """Write the role with the store's policy."""
        body = {
            "token_policies": ["gaara-store-dev"],
            "token_period": f"{period}s",
            "token_no_default_policy": True,
        }
        self.deployment.operator.post(self.credentials.path, body)

    def wait(self) -> None:
        self.ahead += timedelta(days=3)

    def remove_record(self) -> None:
        entry = f"secret/metadata/_strongroom/dev/rotation/secret-id/{self.role}"
        self.deployment.operator.delete(entry)

    def issue(self, folder: Path, host: str | None = None) -> None:
        issue_credential(self.deployment.operator, self.role, folder, host=host)

    def names(self) -> list[str | None]:
        return [each.name for each in self.credentials.secret_ids()]

    @contextmanager
    def session(self, folder: Path) -> Iterator[Session]:
        """Yield a session with the credential in *folder*."""
        login = AppRole(folder / "role-id", folder / "secret-id")
        with Session(self.address, login) as session:
            yield session

    def can_log_in(self, folder: Path) -> bool:
        try:
            with self.session(folder) as session:
                session.get("auth/token/lookup-self")
        except StrongroomError:
            return False
        return True


@pytest.fixture
def site(deployment: Deployment, tmp_path: Path) -> Iterator[Site]:
    """Yield a site of a role with the store's policy, whose secret-id is in the used folder."""
    site = Site(deployment, tmp_path, f"gaara-store-dev-moved-{next(NUMBERS)}")
    site.declare()
    site.issue(site.used)
    yield site
    site.credentials.revoke(site.credentials.tokens())
    deployment.operator.delete(site.credentials.path)
    site.remove_record()


def is_valid(session: Session) -> bool:
    try:
        session.get("auth/token/lookup-self")
    except AccessDenied:
        return False
    return True


class Load(threading.Thread):
    """A thread that reads a secret again and again, and counts reads and failures."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.reads = 0
        self.failures: list[Exception] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            try:
                # Not the signing key, whose rotation in another module would wait for these roles.
                self.client.secrets.get("redis-url", force_refresh=True)
                self.reads += 1
            except StrongroomError as error:
                self.failures.append(error)


@contextmanager
def under_load(site: Site, folder: Path) -> Iterator[Load]:
    """Yield the load of a client with the credential in *folder*."""
    settings = replace(
        site.deployment.settings,
        role_id_file=folder / "role-id",
        secret_id_file=folder / "secret-id",
    )
    client = Client(settings)
    load = Load(client)
    load.start()
    wait_until(lambda: load.reads or load.failures, "the first read")
    yield load
    load.ended.set()
    load.join()
    client.close()


def evidence_of(site: Site) -> Evidence:
    evidence = site.rotation().run().evidence
    assert evidence is not None
    return evidence


def test_clients_move_without_a_failed_request_and_one_held_back_is_named(
    site: Site, tmp_path: Path
) -> None:
    site.declare(period=5)  # so that the token that is not renewed ends soon
    held = tmp_path / "held"
    shutil.copytree(site.used, held)
    (old,) = site.names()
    with under_load(site, site.used) as moving, under_load(site, held) as held_back:
        first = evidence_of(site)
        assert first.proof is Proof.TOKENS
        assert ["(2 tokens)" in each.detail for each in first.waiting] == [True]
        waiting = wait_until(
            lambda: next(
                (each for each in evidence_of(site).waiting if "(2" not in each.detail), None
            ),
            "the end of the token that the moved client does not renew",
        )
        assert waiting is not None
        assert waiting.identity == site.role
        assert f"with secret-id {old}; ends in" in waiting.detail
        assert [f"with secret-id {old}" in str(each) for each in evidence_of(site).moved] == [False]
        shutil.copy(site.used / "secret-id", held / "secret-id")
        wait_until(lambda: site.rotation().run().record.step is Step.DONE, "the end")
        done = [load.reads for load in (moving, held_back)]
        wait_until(lambda: moving.reads > done[0] + 20 and held_back.reads > done[1] + 20, "reads")
    assert (moving.failures, held_back.failures) == ([], [])
    assert old not in site.names()
    assert len(site.names()) == 1


def test_undo_killed_after_each_request_is_ended_by_the_next_run(
    secret_id_site: Site, tmp_path: Path
) -> None:
    secret_id_site.handover = Handover(out=tmp_path)  # waits, because nothing logs in
    shutil.copytree(secret_id_site.used, old := tmp_path / "old")
    before = secret_id_site.names()
    secret_id_site.rotation().run()

    def check(_count: int) -> None:
        record = secret_id_site.rotation().store.read()
        assert record is not None
        if not record.step.is_end:
            secret_id_site.rotation().undo()
        assert secret_id_site.names() == before
        assert secret_id_site.can_log_in(old)
        secret_id_site.rotation().run()

    secret_id_site.logs = False  # because the logs of all earlier tests would be read in each run
    with secret_id_site.deployment.token("strongroom-rotator") as token:
        kills = kill_after_each_request(
            secret_id_site.address,
            token,
            lambda session: secret_id_site.rotation(session).undo(),
            check,
        )
    assert kills > 1
    assert secret_id_site.names() == before


def test_rotator_may_not_issue_a_secret_id_of_the_apply_role(deployment: Deployment) -> None:
    site = Site(deployment, deployment.layout.credentials, "strongroom-apply")
    before = site.names()
    with (
        deployment.token("strongroom-rotator") as token,
        Session(site.address, StaticToken(token)) as session,
        pytest.raises(OwnedElsewhere, match="with the credential of strongroom-apply itself"),
    ):
        site.rotation(session).run()
    assert site.names() == before
    assert site.rotation().store.read() is None


def test_compromised_secret_id_ends_at_once_with_its_tokens_but_not_those_of_agents(
    site: Site, tmp_path: Path
) -> None:
    site.issue(site.used, host="web-1")
    issue_credential(site.deployment.operator, site.role, tmp_path / "agent", name=AGENT_ISSUED)
    shutil.copytree(site.used, stolen := tmp_path / "stolen")
    with site.session(stolen) as thief, site.session(tmp_path / "agent") as agent:
        assert is_valid(thief)
        assert is_valid(agent)
        result = site.rotation().run(is_compromised=True)
        assert result.record.step is Step.DONE
        assert is_valid(agent)
        assert not site.can_log_in(stolen)
        assert site.can_log_in(site.used)
    assert result.evidence is not None
    assert [each.identity for each in result.evidence.ended] == [f"{site.role} on web-1"]
    logins = [each for each in result.evidence.notes if each.startswith("logged in: ")]
    assert [f"{site.role} on web-1 from 127.0.0.1 with secret-id " in each for each in logins] == [
        True
    ]
    assert site.names()[0] == AGENT_ISSUED
    assert len(site.names()) == 2


def test_emergency_replaces_the_old_secret_ids_if_the_new_one_was_destroyed_by_hand(
    site: Site, tmp_path: Path
) -> None:
    site.logs, leaked = False, tmp_path / "leaked"
    shutil.copytree(site.used, leaked)
    with site.session(leaked) as old:
        old.get("auth/token/lookup-self")
        waiting = site.rotation().run().record
        assert waiting.step is Step.CONSUMERS
        new = [each for each in site.credentials.secret_ids() if each.name == waiting.id]
        site.credentials.destroy(new)
        assert site.rotation().run(is_compromised=True).record.step is Step.DONE
        assert site.credentials.tokens() == []
    assert (site.can_log_in(leaked), site.can_log_in(site.used)) == (False, True)
    assert len(site.names()) == 1


def test_token_of_an_agent_of_the_deployment_is_told_apart(deployment: Deployment) -> None:
    tokens = AppRoleCredentials(deployment.operator, "gaara-store-dev", "auth/approle").tokens()
    assert any(each.is_of_agent for each in tokens)


def test_undo_puts_the_old_secret_id_back_and_ends_the_new_one(site: Site, tmp_path: Path) -> None:
    old = (site.used / "secret-id").read_text()
    with site.session(site.used) as session:
        assert is_valid(session)
        assert site.rotation().run().record.step is Step.CONSUMERS
        shutil.copytree(site.used, tmp_path / "new")
        assert site.rotation().undo().step is Step.UNDONE
        assert is_valid(session)
    assert (site.used / "secret-id").read_text() == old
    assert not site.can_log_in(tmp_path / "new")
    assert len(site.names()) == 1


@pytest.mark.parametrize("ahead", [-10, 10])
def test_secret_id_handed_over_waits_for_its_first_login(
    site: Site, tmp_path: Path, ahead: int
) -> None:
    site.ahead = timedelta(seconds=ahead)
    site.handover = Handover(out=tmp_path / "out")
    (waiting,) = evidence_of(site).waiting
    assert "no login with the new secret-id yet" in waiting.detail
    assert len(site.names()) == 2
    assert site.can_log_in(tmp_path / "out" / site.role)
    assert site.rotation().run().record.step is Step.DONE


def test_wrapped_secret_id_is_opened_by_its_receiver_while_it_runs(
    site: Site, tmp_path: Path
) -> None:
    site.declare(period=2)  # as above
    site.handover = Handover(out=tmp_path / "out", wrap_ttl=60)
    folder = tmp_path / "out" / site.role
    issue_credential(site.deployment.operator, site.role, folder, wrap_ttl=60)
    method = WrappedAppRole(site.role, folder / "role-id", folder / "wrapped-secret-id")
    with Session(site.address, method) as session:
        assert is_valid(session)
        assert evidence_of(site).waiting
        assert is_valid(session)
        assert session.login_count == 2
        wait_until(lambda: site.rotation().run().record.step is Step.DONE, "the end")
        assert is_valid(session)


def test_secret_ids_of_several_hosts_are_rotated_one_by_one(site: Site, tmp_path: Path) -> None:
    for host in ("web-1", "web-2"):
        site.issue(tmp_path / host, host)
    with pytest.raises(ConfigurationError, match="secret-ids of web-1, web-2; rotate each with"):
        site.rotation().run()
    site.handover = replace(site.handover, host="web-1")
    assert site.rotation().run().record.step is Step.DONE
    assert [each.host for each in site.credentials.secret_ids()] == ["web-2", "web-1"]
    assert not site.can_log_in(tmp_path / "web-1")


def test_compromised_starter_ends_what_it_has_issued(
    deployment: Deployment, site: Site, tmp_path: Path
) -> None:
    issue_credential(deployment.operator, site.role, tmp_path / "agent", name=AGENT_ISSUED)
    steps = site.rotation().steps
    assert isinstance(steps, SecretIdRotation)
    rotation = replace(site.rotation(), steps=replace(steps, agents=site.credentials))
    with site.session(tmp_path / "agent") as agent:
        assert is_valid(agent)
        assert rotation.run(is_compromised=True).record.step is Step.DONE
        assert not site.can_log_in(tmp_path / "agent")
    assert len(site.names()) == 1


@pytest.mark.parametrize(
    ("handover", "message"),
    [(Handover(), "pass --out with a folder"), (None, "has no secret-id; issue its first one")],
)
def test_rotation_that_cannot_be_done_is_refused(
    site: Site, handover: Handover | None, message: str
) -> None:
    site.handover = handover or site.handover
    if handover is None:
        site.credentials.destroy(site.credentials.secret_ids())
    with pytest.raises(ConfigurationError, match=message):
        site.rotation().run()
    assert site.rotation().store.read() is None
