"""What a rotation of any kind owes: its grace, each kill, an emergency, and the way back."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.integration.rotation.site import RotatedSite
from tests.support.models.rotations import EACH_STATE, stop_in_each_state
from tests.support.processes.killed_requests import kill_after_each_request
from vault.rotation.item_kind import Kind
from vault.rotation.kind_protocol import Steps
from vault.rotation.ledger.ledger import State, build_ledger
from vault.rotation.pending import PendingValue
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import read_ages

pytestmark = pytest.mark.requires("embedded")

#: A kind, and a further way of one; the name of the fixture ends with "_site".
KINDS = [
    "secret",
    "hooked_secret",
    "announced_secret",
    "user_pair",
    "root_user",
    "key",
    "index_key",
    "secret_id",
]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest) -> RotatedSite:
    found: RotatedSite = request.getfixturevalue(f"{request.param}_site")
    return found


def test_each_kind_that_can_be_rotated_is_asked() -> None:
    asked = {each.replace("_", "-") for each in KINDS}
    assert asked >= {*Kind} - {Kind.STATIC_USER}  # which only its owner can change


def check_replaced(site: RotatedSite, old: object) -> None:
    new = site.current()
    assert new != old
    assert (site.is_accepted(old), site.is_accepted(new), site.is_alone()) == (False, True, True)


def test_rotation_begins_once_and_keeps_the_old_value_until_its_end(site: RotatedSite) -> None:
    old = site.current()
    first = site.rotation().run()
    assert first.evidence is not None or first.announced_until is not None
    if site.waits:
        assert not first.record.step.is_end
        again = site.rotation().run().record
        assert (again.id, again.new) == (first.record.id, first.record.new)
        assert site.is_accepted(old)
        assert site.is_accepted(site.current())
    else:
        assert first.record.step is Step.DONE
        check_replaced(site, old)
        old = site.current()
    record = site.run_to_end()
    assert record.step is Step.DONE
    assert record.ended is not None
    check_replaced(site, old)
    check_ledger(site, record)
    for value in (old, site.current()):
        text = value.reveal() if isinstance(value, Secret) else str(value)
        assert len(text) < 8 or text not in str(site.rotation().store.read())


def check_ledger(site: RotatedSite, record: Record) -> None:
    """Check that the ledger knows when the value was replaced, and when it is due again."""
    item, operator = site.rotation().steps.item, site.rotation().session
    assert item.every is not None
    for days, expected in ((0, State.OK), (10 + item.every // 86_400, State.OVERDUE)):
        now = datetime.now(UTC) + timedelta(days=days)
        ages = partial(read_ages, operator, mounts=DEFAULT_MOUNTS, now=now)
        (row,) = build_ledger([item], ages, None, now, lambda _: record)
        assert (row.age.is_known, row.state) == (True, expected)


def test_rotation_killed_after_each_request_is_ended_by_the_next_run(site: RotatedSite) -> None:
    values, before = [site.current()], site.created()

    def check(_count: int) -> None:
        site.wait()  # because a killed run keeps its claim of the creation
        site.run_to_end()
        assert site.current() not in values
        check_replaced(site, values[-1])
        values.append(site.current())

    kills = kill_after_each_request(site.address, site.token, site.run_to_end, check)
    assert kills >= len(Step) - 2
    # One rotation for each kill, one more after the kill that followed its end, and the last one.
    if site.created_each is not None:
        assert site.created() == before + (kills + 2) * site.created_each


@EACH_STATE
def test_emergency_in_any_state_ends_the_value_that_was_current(
    site: RotatedSite, *, is_whole: bool
) -> None:
    with Session(site.address, StaticToken(site.token)) as session:
        for state in stop_in_each_state(partial(site.rotation, session), is_whole=is_whole):
            leaked = site.current()
            result = site.rotation(session).run(is_compromised=True)
            assert result.record.step is Step.DONE, state
            check_replaced(site, leaked)


def test_rotation_is_undone_or_says_that_it_cannot_be(site: RotatedSite) -> None:
    old = site.current()
    waiting = site.rotation().run().record
    if not site.goes_back or waiting.step.is_end:
        with pytest.raises(StrongroomError, match="is under way"):
            site.rotation().undo()
        return
    assert site.rotation().undo().step is Step.UNDONE
    assert site.current() == old or not site.restores
    assert site.is_accepted(old)
    with pytest.raises(StrongroomError, match="is under way"):
        site.rotation().undo()
    site.wait()
    site.run_to_end()
    check_replaced(site, old)


def test_undo_killed_after_each_request_is_ended_by_the_next_run(site: RotatedSite) -> None:
    old = site.current()
    if site.rotation().run().record.step.is_end:
        return  # there is no way back

    def check(_count: int) -> None:
        record = site.rotation().store.read()
        assert record is not None
        if not record.step.is_end:
            site.rotation().undo()
        assert site.current() == old or not site.restores
        assert site.is_accepted(old)
        site.wait()
        site.rotation().run()

    def undo(session: Session) -> None:
        site.rotation(session).undo()

    kills = kill_after_each_request(site.address, site.token, undo, check)
    assert kills > 1


def test_other_run_creates_no_value_while_one_is_created(
    site: RotatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, before, steps = site.current(), site.created(), type(site.rotation().steps)
    create = steps.create

    def overlap(self: Steps, record: Record) -> Record:
        monkeypatch.setattr(steps, "create", create)
        other = replace(site.rotation(), clock=partial(datetime.now, UTC))
        with pytest.raises(ConfigurationError, match="another run creates the new value"):
            other.run()
        return create(self, record)

    monkeypatch.setattr(steps, "create", overlap)
    site.run_to_end()
    check_replaced(site, old)
    if site.created_each is not None:
        assert site.created() == before + site.created_each


def test_claim_of_a_killed_run_keeps_others_out_until_it_is_undone(
    site: RotatedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, steps = site.current(), type(site.rotation().steps)
    with monkeypatch.context() as killed:
        killed.setattr(steps, "create", interrupt)
        killed.setattr(PendingValue, "destroy", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            site.rotation().run()
    with pytest.raises(ConfigurationError, match=r"again after .* end the rotation with --undo"):
        replace(site.rotation(), clock=partial(datetime.now, UTC)).run()
    if site.rotation().steps.item.kind is not Kind.ROOT_USER:
        assert site.rotation().undo().step is Step.UNDONE
    site.wait()
    site.run_to_end()
    check_replaced(site, old)


def interrupt(*_: object) -> Record:
    raise KeyboardInterrupt


def test_two_operators_at_once_make_one_new_value(site: RotatedSite) -> None:
    old, before = site.current(), site.created()
    child = os.fork()
    with Session(site.address, StaticToken(site.token)) as session, suppress(StrongroomError):
        try:
            site.rotation(session).run()
        finally:
            if not child:
                os._exit(0)
    os.waitpid(child, 0)
    site.run_to_end()
    check_replaced(site, old)
    if site.waits and site.created_each is not None:
        assert site.created() == before + site.created_each
