"""No history of random calls breaks a rule, and each rule notices an SDK that breaks it."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from app_integration.encryption.keys import keyring
from app_integration.encryption.keys.cache import DataKeyCache
from app_integration.secret_store import fetcher
from app_integration.secret_store.cache import SecretCache
from app_integration.secret_store.cache_entry import Entry, build_entry
from app_integration.session import requests
from tests.histories import history
from tests.histories.history import History
from tests.histories.run import ALL_FAULTS, Run
from tests.histories.site import Site, site
from tests.histories.validators import (
    find_data_keys_kept_too_long,
    find_repeated_calls,
    find_unseen_orphans,
    find_values_after_denials,
    find_values_kept_too_long,
    find_versions_going_back,
    violations,
)

pytestmark = pytest.mark.requires("embedded")

SEEDS: Final = (1, 2, *(pytest.param(each, marks=pytest.mark.nightly) for each in range(100, 120)))
TRIES: Final = 10  # runs in which a faulty SDK has to break its rule


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("histories")) as found:
        yield found


def assert_keeps_all_rules(found: History) -> None:
    """Fail with the seed, what breaks a rule, and the file of the history."""
    if broken := violations(found):
        with tempfile.NamedTemporaryFile(
            "w", prefix=f"history-{found.seed}-", suffix=".json", delete=False
        ) as file:
            file.write(found.to_json())
        listed = "\n".join(broken)
        pytest.fail(f"seed {found.seed}, history in {file.name}:\n{listed}", pytrace=False)


def assert_has_all_kinds(found: History) -> None:
    """Check that the faults had an effect, so that the rules had something to judge."""
    assert {each.kind for each in found.faults} == set(ALL_FAULTS)
    outcomes = Counter(each.outcome for each in found.calls)
    assert outcomes[history.VALUE] >= 200
    assert outcomes["Unreachable"] >= 1
    assert any(each.served == history.STALE for each in found.calls)
    denied = {each.operation for each in found.calls if each.outcome == "AccessDenied"}
    assert denied >= {history.ENCRYPT, history.DECRYPT}
    succeeded = {each.operation for each in found.calls if each.outcome == history.VALUE}
    assert succeeded >= {*history.CURRENT, history.DECRYPT, history.WRITE_ONCE, history.QUERY}
    assert found.logins
    assert any(each.lease_id for each in found.requests)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_calls_break_no_rule(running: Site, seed: int) -> None:
    found = Run(running, seed)()
    assert_has_all_kinds(found)
    assert_keeps_all_rules(found)


def repeat_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "is_repeatable", lambda _: True)


def keep_denied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SecretCache, "drop_name", lambda *_: None)


def keep_forever(patch: pytest.MonkeyPatch) -> None:
    def build(*arguments: Any, **options: Any) -> Entry:
        entry = build_entry(*arguments, **options)
        entry.expires_at = math.inf
        return entry

    patch.setattr(fetcher, "build_entry", build)


def keep_data_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keyring, "DataKeyCache", lambda entries, _: DataKeyCache(entries, math.inf))


def take_any_response(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SecretCache, "_find_later", lambda *_: None)


def report_no_orphan(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_record_orphan_lease", lambda *_: None)


#: Fault in the SDK → the rule that notices it, and the faults around it.
FAULTY: Final[
    dict[
        Callable[[pytest.MonkeyPatch], None],
        tuple[Callable[[History], list[str]], tuple[str, ...]],
    ]
] = {
    repeat_all: (find_repeated_calls, (history.CUT,)),
    keep_denied: (find_values_after_denials, (history.DENIED,)),
    keep_data_keys: (find_data_keys_kept_too_long, (history.DENIED,)),
    keep_forever: (find_values_kept_too_long, (history.KILL,)),
    take_any_response: (find_versions_going_back, (history.DELAY,) * 4),
    report_no_orphan: (find_unseen_orphans, (history.REVOKED_LEASES, history.CUT)),
}


@pytest.mark.nightly
@pytest.mark.parametrize("change", FAULTY, ids=lambda each: each.__name__)
def test_faulty_sdk_breaks_its_rule(
    running: Site, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    change(monkeypatch)
    rule, kinds = FAULTY[change]
    assert any(rule(Run(running, seed)(kinds)) for seed in range(TRIES))
