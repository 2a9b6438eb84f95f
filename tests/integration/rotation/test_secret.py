"""Rotation of secrets on a real server: its steps, kills, undoing, and who has moved."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.names import NEXT_KEY, VALUE_KEY, Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import (
    LogReader,
    build_rotation,
    change_service,
    dev_context,
)
from tests.support.servers.deployment import Deployment
from vault.declare.schema.base import Section
from vault.declare.schema.secret_sources import Derived, Generated, Given, Hooks
from vault.reconcile.resources.ownership import OwnedByOther
from vault.reconcile.server_time import parse_time
from vault.rotation.consumers.consumer_log import ConsumerLog, read_consumer_log
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.context import RotationContext
from vault.rotation.hooks import HookFailed
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Step
from vault.rotation.response_log import FileLog
from vault.rotation.rotation import OwnedElsewhere, Rotation

pytestmark = pytest.mark.requires("embedded")

DEV = Environment.DEV
#: Numbers of the secrets, because a log has the reads of earlier tests.
NUMBERS = itertools.count(1)
#: Hooks of an owner that keeps what it does not accept any more in a file.
OWNER = {
    "create": "echo made-in-$STRONGROOM_ROTATION_ID",
    "retire": "cat >> retired; echo >> retired",
}
_Source = TypeVar("_Source", bound=Section)


def parse(model: type[_Source], **fields: object) -> _Source:
    """Return a source as a service file has it."""
    return model.model_validate(fields)


class Site(RotatedSite):
    """Rotations of a secret that only this test declares, of the store."""

    def __init__(self, deployment: Deployment, folder: Path, token: Secret) -> None:
        self.deployment = deployment
        self.folder = folder
        self.token = token
        self.now = datetime.now(UTC)
        self.logs = True
        self.is_retired = self.lists_tokens = False
        self.is_rendered = True
        deployment.refresh("vault/audit")
        self.reader = LogReader(deployment.layout.audit_logs[:1])
        self.name = f"signing-key-{next(NUMBERS)}"
        self.path = f"gaara-store/dev/{self.name}"
        self.composed = f"gaara-store/dev/url-of-{self.name}"
        self.secrets = {
            self.name: parse(Generated, source="generated", length=32, retire_after="20s"),
            f"url-of-{self.name}": Derived(source="derived", format=f"key://{{{self.name}}}@host"),
        }

    @property
    def address(self) -> str:
        return self.deployment.settings.vault_addr

    def context(self, session: Session) -> RotationContext:
        declared = self.deployment.local.declaration
        fields = {"secrets": self.secrets} | ({} if self.is_rendered else {"config": None})
        declaration = change_service(declared, "gaara-store", **fields)
        context = dev_context(declaration, session, lambda: self.now, self.folder)
        return replace(
            context,
            read_log=self.read_log,
            is_retired=self.is_retired,
            lists_tokens=self.lists_tokens,
        )

    def read_log(self, paths: Collection[str]) -> ConsumerLog | None:
        self.deployment.refresh("vault/audit")
        return self.reader(paths) if self.logs else None

    def rotation(self, session: Session | None = None) -> Rotation:
        context = self.context(session or self.deployment.operator)
        item = Item(Kind.SECRET, "gaara-store", self.name, self.path, 86_400, is_declared=True)
        return build_rotation(context, item)

    def current(self) -> str:
        return self.value()

    def is_accepted(self, value: str) -> bool:
        readable = (number for number, is_readable in self.versions().items() if is_readable)
        retired = self.folder / "retired"
        is_retired = retired.exists() and value in retired.read_text().splitlines()
        return not is_retired and any(self.value(version=each) == value for each in readable)

    def is_alone(self) -> bool:
        if len(self.secrets) > 1:
            assert self.value(self.composed) == f"key://{self.value()}@host"
        return sum(self.versions().values()) == 1

    def created(self) -> int:
        return max(self.versions())

    def value(self, path: str = "", version: int = 0) -> str:
        path = path or self.path
        found = self.deployment.operator.get(f"secret/data/{path}?version={version}")
        value: str = found["data"]["data"][VALUE_KEY]
        return value

    def versions(self, path: str = "") -> dict[int, bool]:
        """Return each version, and whether it is readable."""
        found = self.deployment.operator.get(f"secret/metadata/{path or self.path}")["data"][
            "versions"
        ]
        return {int(key): not each["destroyed"] for key, each in found.items()}


@pytest.fixture
def consumer(site: Site) -> Iterator[Session]:
    """Yield a session with a token that is not one of our tools."""
    operator, policy = site.deployment.operator, "sys/policies/acl/rotated-reader"
    rules = 'path "secret/data/gaara-store/dev/*" { capabilities = ["read"] }'
    operator.post(policy, {"policy": rules})
    body = {"policies": ["rotated-reader"], "ttl": "10m", "meta": {"role": "reader"}}
    token = Secret(operator.post("auth/token/create", body)["auth"]["client_token"])
    with Session(site.address, StaticToken(token)) as session:
        yield session
    operator.post("auth/token/revoke", {"token": token.reveal()})
    operator.delete(policy)


def run(site: Site, *, is_compromised: bool = False) -> Evidence:
    """Run the rotation, and return its evidence."""
    evidence = site.rotation().run(is_compromised=is_compromised).evidence
    assert evidence is not None
    return evidence


def test_rotation_waits_for_its_grace_and_destroys_the_old_version(site: Site) -> None:
    waiting = site.rotation().run()
    assert waiting.record.step is Step.CONSUMERS
    assert site.versions() == {1: True, 2: True}
    assert (len(site.value()), site.value(version=1)) == (32, "first")
    assert site.value(site.composed) == f"key://{site.value()}@host"
    site.now += timedelta(seconds=19)
    assert site.rotation().run().record.step is Step.CONSUMERS
    site.now += timedelta(hours=2)
    done = site.rotation().run().record
    assert (done.step, done.old, done.new, done.ended) == (Step.DONE, "1", "2", site.now)
    assert site.versions() == {1: False, 2: True}
    assert site.versions(site.composed) == {1: False, 2: True}
    found = site.deployment.operator.get(f"secret/data/{site.path}")["data"]["data"]
    assert found["hint"] == "kept"


@pytest.fixture
def site(secret_site: Site) -> Site:
    return secret_site


@pytest.fixture
def signing(announced_secret_site: Site) -> Site:
    return announced_secret_site


def fields(site: Site) -> dict[str, str]:
    found: dict[str, str] = site.deployment.operator.get(f"secret/data/{site.path}")["data"]["data"]
    return found


def test_signing_key_is_announced_under_the_current_path_before_it_is_promoted(
    signing: Site,
) -> None:
    waiting = signing.rotation().run()
    announced = fields(signing).pop(NEXT_KEY)
    assert waiting.announced_until == signing.now + timedelta(minutes=65, seconds=5)
    assert (signing.value(), fields(signing)["hint"], len(announced)) == ("first", "kept", 32)
    assert signing.value(signing.composed) == "key://first@host"
    signing.now += timedelta(minutes=65)
    assert signing.rotation().run().record.promoted is None
    signing.now += timedelta(minutes=1)
    promoted = signing.rotation().run().record
    assert (promoted.step, promoted.old, promoted.new) == (Step.CONSUMERS, "2", "3")
    assert fields(signing) == {VALUE_KEY: announced, "hint": "kept"}
    assert signing.value(version=2) == "first"
    signing.now += timedelta(hours=2)
    assert signing.rotation().run().record.step is Step.DONE
    assert signing.versions() == {1: False, 2: False, 3: True}


@pytest.mark.parametrize("minutes", [0, 70])
def test_undo_of_an_announced_or_promoted_key_announces_nothing_more(
    signing: Site, minutes: int
) -> None:
    signing.rotation().run()
    signing.now += timedelta(minutes=minutes)
    signing.rotation().run()
    assert signing.rotation().undo().step is Step.UNDONE
    assert fields(signing) == {VALUE_KEY: "first", "hint": "kept"}
    assert signing.value(signing.composed) == "key://first@host"


def test_emergency_during_an_announcement_replaces_both_values_and_names_the_tokens(
    signing: Site,
) -> None:
    signing.rotation().run()
    known = {"first", fields(signing)[NEXT_KEY]}
    done = signing.rotation().run(is_compromised=True)
    assert fields(signing).keys() == {VALUE_KEY, "hint"}
    assert signing.value() not in known
    assert signing.versions() == {1: False, 2: False, 3: False, 4: True}
    assert done.evidence is not None
    assert f"every token that {signing.name} has signed before version 4" in done.evidence.notes[-1]


def test_value_written_by_hand_during_an_announcement_is_kept(signing: Site) -> None:
    signing.rotation().run()
    signing.deployment.operator.post(f"secret/data/{signing.path}", {"data": {VALUE_KEY: "other"}})
    signing.now += timedelta(minutes=70)
    with pytest.raises(ConfigurationError, match="someone wrote version 3"):
        signing.rotation().run()
    signing.rotation().undo()
    assert signing.value() == "other"


def test_rotation_waits_for_a_consumer_and_names_it(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    site.now += timedelta(minutes=5)
    waiting = site.rotation().run()
    assert waiting.record.step is Step.CONSUMERS
    evidence = waiting.evidence
    assert evidence is not None
    assert evidence.proof is Proof.AUDIT_LOG
    (held,) = evidence.waiting
    assert "read version 1" in held.detail
    consumer.get(f"secret/data/{site.path}")
    done = site.rotation().run()
    assert done.record.step is Step.DONE
    assert done.evidence is not None
    assert ["read version 2" in each.detail for each in done.evidence.moved] == [True]


def test_consumer_whose_token_was_revoked_has_ended(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    consumer.post("auth/token/revoke-self")
    site.now += timedelta(minutes=5)
    assert site.rotation().run().record.step is Step.DONE


def test_consumer_whose_token_the_server_does_not_know_has_ended(
    site: Site, consumer: Session
) -> None:
    site.is_rendered, site.lists_tokens = False, True
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    site.now += timedelta(minutes=5)
    assert site.rotation().run().record.step is Step.CONSUMERS
    # The log has the HMAC of the token itself, by which it cannot be told.
    token = consumer.get("auth/token/lookup-self")["data"]["id"]
    site.deployment.operator.post("auth/token/revoke", {"token": token})
    site.lists_tokens = False
    waiting = site.rotation().run().evidence
    assert waiting is not None
    assert any("was not looked up" in note for note in waiting.notes)
    site.lists_tokens = True
    evidence = run(site)
    assert [len(evidence.ended), len(evidence.waiting)] == [1, 0]


def test_consumer_whose_version_was_destroyed_is_none(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    site.deployment.operator.post(f"secret/destroy/{site.path}", {"versions": [1]})
    site.now += timedelta(minutes=5)
    evidence = run(site)
    assert (evidence.waiting, evidence.moved) == ((), ())


def test_rotation_of_a_person_does_not_wait_for_itself(site: Site) -> None:
    """A run that has read the old value is killed, and another token continues."""
    with Session(site.address, StaticToken(site.token)) as person:
        person.get(f"secret/data/{site.path}")
    site.rotation().run()
    site.now += timedelta(minutes=5)
    assert site.rotation().run().record.step is Step.DONE


def test_consumer_whose_token_has_expired_has_ended(site: Site, consumer: Session) -> None:
    site.is_rendered = False
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    site.now += timedelta(minutes=11)  # the token has ten
    evidence = run(site)
    assert ([len(evidence.ended), len(evidence.waiting)]) == [1, 0]


def test_rotation_without_a_log_waits_for_the_time_bound(site: Site) -> None:
    site.logs = False
    evidence = run(site)
    assert evidence.proof is Proof.TIME
    found = site.deployment.operator.get(f"secret/metadata/{site.path}")["data"]["versions"]
    promoted = parse_time(found["2"]["created_time"])
    assert promoted is not None
    bound = promoted + timedelta(seconds=300 + 3600 + 5 + 20)  # and retire_after
    assert evidence.not_before == bound
    site.now = bound - timedelta(seconds=1)
    assert site.rotation().run().record.step is Step.CONSUMERS
    site.now = bound
    assert site.rotation().run().record.step is Step.DONE


def test_undo_makes_the_old_value_current_and_keeps_the_new_one_readable(site: Site) -> None:
    site.rotation().run()
    promoted = site.value()
    assert site.rotation().undo().step is Step.UNDONE
    assert (site.value(), site.value(version=2)) == ("first", promoted)
    assert site.value(site.composed) == "key://first@host"
    with pytest.raises(ConfigurationError, match=r"no rotation of signing-key-\d+ is under way"):
        site.rotation().undo()
    assert site.rotation().run().record.old == "3"


def test_undo_and_retirement_of_two_processes_do_not_both_end(site: Site) -> None:
    for _ in range(3):
        site.rotation().run()
        site.now += timedelta(hours=2)
        child = os.fork()
        if not child:
            with Session(site.address, StaticToken(site.token)) as session, suppress(Exception):
                site.rotation(session).undo()
            os._exit(0)
        with suppress(ConfigurationError, RequestRefused):
            site.rotation().run()
        os.waitpid(child, 0)
        record = site.rotation().store.read()
        while record is None or not record.step.is_end:
            record = site.rotation().run().record
        is_undone = record.step is Step.UNDONE
        assert site.versions()[int(record.old)] == is_undone
        assert max(site.versions()) == int(record.new) + is_undone


def test_record_that_another_run_writes_meanwhile_is_kept_and_says_to_run_again(site: Site) -> None:
    rotation = site.rotation()
    first, other = rotation.new_record(), rotation.new_record()
    store, session = rotation.store, rotation.session
    store.write(session, first)
    with pytest.raises(RequestRefused, match="has changed it; run the command again"):
        store.write(session, first, lambda _found: store.write(session, other))
    assert store.read() == other


def test_version_of_someone_else_during_a_rotation_is_not_overwritten(site: Site) -> None:
    rotation = site.rotation()
    started = rotation.steps.create(rotation.steps.start(rotation.new_record()))
    rotation.store.write(rotation.session, replace(started, step=Step.PROMOTE))
    site.deployment.operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "by hand"}})
    with pytest.raises(ConfigurationError, match="someone wrote version 2 of signing-key-"):
        site.rotation().run()
    assert site.value() == "by hand"


def test_compromised_secret_ends_at_once(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    result = site.rotation().run(is_compromised=True)
    assert result.record.step is Step.DONE
    assert site.versions() == {1: False, 2: True}
    assert result.evidence is not None
    assert len(result.evidence.waiting) == 1


SCRIPT = """
import json, os, pathlib, sys
hook, text = sys.argv[1], sys.stdin.read()
names = {key: value for key, value in os.environ.items() if key.startswith("STRONGROOM_")}
with pathlib.Path("calls").open("a") as file:
    file.write(json.dumps([hook, text, names]) + chr(10))
if pathlib.Path(f"fail-{hook}").exists():
    sys.exit(f"{hook} rejected {text}")
if hook == "create":
    print("from the owner " + names["STRONGROOM_ROTATION_ID"])
"""


@pytest.fixture
def hooked(site: Site) -> Site:
    """Return a site whose secret is given, with all hooks."""
    (site.folder / "hook.py").write_text(SCRIPT)
    commands = {name: (sys.executable, "hook.py", name) for name in Hooks.model_fields}
    site.secrets = {site.name: parse(Given, source="given", hooks=commands, retire_after="60s")}
    return site


def calls(site: Site) -> list[tuple[str, str]]:
    lines = (site.folder / "calls").read_text().splitlines()
    return [(hook, text) for hook, text, _names in map(json.loads, lines)]


def test_hooks_change_the_value_at_its_owner(hooked: Site) -> None:
    hooked.rotation().run()
    new = hooked.value()
    assert new.startswith("from the owner ")
    assert calls(hooked) == [("create", ""), ("set", new), ("test", new)]
    hooked.now += timedelta(hours=2)
    assert hooked.rotation().run().record.step is Step.DONE
    assert calls(hooked)[3:] == [("retire", "first")]


def test_failed_hook_is_repeated_with_the_same_id_and_its_message_is_redacted(
    hooked: Site,
) -> None:
    (hooked.folder / "fail-set").touch()
    with pytest.raises(HookFailed, match="exit code 1: set rejected ") as caught:
        hooked.rotation().run()
    (hooked.folder / "fail-set").unlink()
    hooked.rotation().run()
    created, first, second, _tested = calls(hooked)
    assert (created[0], first) == ("create", second)
    assert first[1] not in str(caught.value)
    assert hooked.value() == first[1]


def test_undo_with_hooks_sets_the_old_value_and_ends_the_new_one(hooked: Site) -> None:
    hooked.rotation().run()
    new = hooked.value()
    hooked.rotation().undo()
    assert calls(hooked)[3:] == [("set", "first"), ("retire", new)]
    assert hooked.value() == "first"


@pytest.mark.parametrize("is_compromised", [False, True])
def test_old_value_that_is_gone_is_ended_by_its_owner_and_not_said_to_be(
    hooked: Site, *, is_compromised: bool
) -> None:
    operator = hooked.deployment.operator
    hooked.rotation().run()
    hooked.now += timedelta(hours=2)
    operator.post(f"secret/delete/{hooked.path}", {"versions": [1]})
    lost = r"version 1 of .* gaara-store@example.com must revoke it .* --env dev --retired"
    with pytest.raises(ConfigurationError, match=lost):
        hooked.rotation().run(is_compromised=is_compromised)
    operator.post(f"secret/undelete/{hooked.path}", {"versions": [1]})
    assert hooked.rotation().run().record.step is Step.DONE
    assert calls(hooked)[3] == ("retire", "first")


def test_rotation_of_a_value_that_is_destroyed_ends_once_its_end_is_confirmed(
    hooked: Site,
) -> None:
    rotation = hooked.rotation()
    rotation.run()
    hooked.now += timedelta(hours=2)
    hooked.deployment.operator.post(f"secret/destroy/{hooked.path}", {"versions": [1]})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="--retired"):
            rotation.run()
    assert (record := rotation.store.read()) is not None
    assert record.step is Step.RETIRE
    hooked.is_retired = True
    assert hooked.rotation().run().record.step is Step.DONE
    assert "retire" not in dict(calls(hooked))


def test_retirement_killed_before_its_record_is_ended_without_a_confirmation(hooked: Site) -> None:
    rotation = hooked.rotation()
    record = rotation.run().record
    rotation.steps.retire(record)  # then the kill
    hooked.now += timedelta(hours=2)
    assert rotation.run().record.step is Step.DONE
    assert calls(hooked)[3:] == [("retire", "first")]


def test_new_value_that_is_gone_is_ended_by_its_owner_before_the_rotation_is_undone(
    hooked: Site,
) -> None:
    (hooked.folder / "fail-test").touch()
    with pytest.raises(HookFailed):
        hooked.rotation().run()
    pending = f"_strongroom/dev/rotation/secret/{hooked.path}"
    hooked.deployment.operator.post(f"secret/destroy/{pending}", {"versions": [1, 2]})
    with pytest.raises(ConfigurationError, match=r"the new value of .* cannot be read any more"):
        hooked.rotation().undo()
    hooked.is_retired = True
    assert hooked.rotation().undo().step is Step.UNDONE


def test_given_secret_without_hooks_names_its_owner(site: Site) -> None:
    site.secrets = {site.name: Given(source="given")}
    with pytest.raises(OwnedElsewhere, match=f"strongroom put {site.name} --service"):
        site.rotation()


def test_secret_whose_current_version_is_deleted_is_not_begun(site: Site) -> None:
    site.deployment.operator.delete(f"secret/data/{site.path}")
    with pytest.raises(ConfigurationError, match=r"the current version of .* is deleted"):
        site.rotation().run()
    assert site.rotation().store.read() is None


def test_secret_of_another_deployment_is_not_begun(site: Site) -> None:
    notes = {"managed_by": "strongroom", "deployment": "other"}
    path = f"secret/metadata/{site.path}"
    site.deployment.operator.post(path, {"custom_metadata": notes})
    with pytest.raises(OwnedByOther, match="belongs to the deployment 'other'"):
        site.rotation().run()
    assert site.versions() == {1: True}


def test_clock_that_is_ahead_neither_hides_a_consumer_nor_ends_the_grace(
    site: Site, consumer: Session
) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.now += timedelta(hours=2)  # the server's clock is two hours behind
    evidence = run(site)
    assert len(evidence.waiting) == 1
    consumer.get(f"secret/data/{site.path}")
    site.now += timedelta(seconds=15)
    assert site.rotation().run().record.step is Step.CONSUMERS
    site.now += timedelta(minutes=5)
    assert site.rotation().run().record.step is Step.DONE


def test_undo_keeps_a_version_that_someone_wrote_in_the_meantime(hooked: Site) -> None:
    hooked.rotation().run()
    new = hooked.value()
    hooked.deployment.operator.post(f"secret/data/{hooked.path}", {"data": {VALUE_KEY: "by hand"}})
    assert hooked.rotation().undo().step is Step.UNDONE
    assert hooked.value() == "by hand"
    assert calls(hooked)[3:] == [("retire", new)]  # and the owner keeps what was set by hand


def test_rotation_keeps_a_version_that_someone_wrote_in_the_meantime(site: Site) -> None:
    site.rotation().run()
    site.deployment.operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "by hand"}})
    site.now += timedelta(hours=2)
    assert site.rotation().run().record.step is Step.DONE
    assert site.versions() == {1: False, 2: True, 3: True}


def test_old_value_that_someone_made_current_again_is_not_ended(hooked: Site) -> None:
    hooked.rotation().run()
    new = hooked.value()
    path = f"secret/data/{hooked.path}"
    hooked.deployment.operator.post(path, {"data": {VALUE_KEY: "first"}})
    hooked.now += timedelta(hours=2)
    for is_compromised in (False, True):
        with pytest.raises(ConfigurationError, match="someone wrote the old value"):
            hooked.rotation().run(is_compromised=is_compromised)
    assert "retire" not in dict(calls(hooked))
    hooked.deployment.operator.post(path, {"data": {VALUE_KEY: new}})
    assert hooked.rotation().run().record.step is Step.DONE


def test_undo_killed_before_the_derived_value_composes_it_again(site: Site) -> None:
    rotation = site.rotation()
    rotation.run()
    record = rotation.store.read()
    assert record is not None
    rotation.store.write(rotation.session, replace(record, is_undone=True))
    old = {VALUE_KEY: "first", "hint": "kept"}
    site.deployment.operator.post(f"secret/data/{site.path}", {"data": old})  # then the kill
    assert site.rotation().run().record.step is Step.UNDONE
    assert site.value(site.composed) == "key://first@host"


def test_old_value_that_is_gone_cannot_be_made_current_again(site: Site) -> None:
    site.rotation().run()
    site.deployment.operator.post(f"secret/destroy/{site.path}", {"versions": [1]})
    with pytest.raises(ConfigurationError, match=r"version 1 of .* cannot be read any more"):
        site.rotation().undo()
    assert len(site.value()) == 32
    site.now += timedelta(hours=2)
    assert site.rotation().run().record.step is Step.DONE


def test_secret_that_was_created_again_keeps_its_value(site: Site) -> None:
    site.rotation().run()
    site.deployment.operator.delete(f"secret/metadata/{site.path}")
    site.deployment.operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "again"}})
    site.now += timedelta(hours=2)
    with pytest.raises(ConfigurationError, match="was deleted and created again"):
        site.rotation().run()
    assert site.rotation().undo().step is Step.UNDONE
    assert (site.value(), site.versions()) == ("again", {1: True})


def test_emergency_of_a_secret_that_was_created_again_replaces_it(site: Site) -> None:
    site.rotation().run()
    site.deployment.operator.delete(f"secret/metadata/{site.path}")
    site.deployment.operator.post(f"secret/data/{site.path}", {"data": {VALUE_KEY: "again"}})
    assert site.rotation().run(is_compromised=True).record.step is Step.DONE
    assert site.versions() == {1: False, 2: True}


def test_secret_whose_new_version_was_deleted_keeps_its_old_one(site: Site) -> None:
    site.rotation().run()
    site.deployment.operator.delete(f"secret/data/{site.path}")
    site.now += timedelta(hours=2)
    with pytest.raises(ConfigurationError, match=r"the current version of .* is deleted"):
        site.rotation().run(is_compromised=True)
    assert site.versions() == {1: True, 2: True}
    site.deployment.operator.post(f"secret/undelete/{site.path}", {"versions": [2]})
    assert site.rotation().run().record.step is Step.DONE
    # Version 2 was promoted before the emergency, and may have leaked as well.
    assert site.versions() == {1: False, 2: False, 3: True}


def test_emergency_lists_every_reader_of_the_old_value(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.deployment.operator.get(f"secret/data/{site.path}")
    evidence = run(site, is_compromised=True)
    shown = [str(each) for each in evidence.readers]
    assert any(
        each.startswith("reader: ")
        and f"read version 1 of secret/data/{site.path} from 127.0.0.1" in each
        for each in shown
    )
    assert any(each.startswith("strongroom-apply: read version 1") for each in shown)
    assert any("the log begins at" in note for note in evidence.notes)


def test_emergency_does_not_wait_for_a_log_that_can_be_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_paths: Collection[str]) -> None:
        raise PermissionError("audit.log: no right to read it")

    monkeypatch.setattr(site, "read_log", fail)
    result = site.rotation().run(is_compromised=True)
    assert (result.record.step, site.versions()) == (Step.DONE, {1: False, 2: True})
    assert result.evidence is not None
    assert "who read the old value is not known: audit.log" in result.evidence.notes[0]


def test_two_audit_devices_show_a_consumer_once(site: Site, consumer: Session) -> None:
    consumer.get(f"secret/data/{site.path}")
    site.rotation().run()
    assert len(site.deployment.layout.audit_logs) == 2
    files = FileLog.of(site.deployment.layout.audit_logs)
    log = read_consumer_log(files, [f"secret/data/{site.path}"])
    assert [each.role for each in log.tokens].count("reader") == 1
