"""Server in memory: injected faults, and a clock that the test advances."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app_integration import decrypt_field, encrypt_field, get_secret, get_secret_info
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    DeadlineExceeded,
    RateLimited,
    RequestRefused,
    Sealed,
    SecretError,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.testing import Fault, MemoryApplication, MemoryVault

LOGIN = "auth/approle/login"


def read(vault: MemoryApplication) -> str:
    return f"secret/data/{vault.scope.service}/{vault.scope.environment}/jwt-secret"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SEALED, Sealed),
        (Fault.RATE_LIMITED, RateLimited),
        (Fault.STANDBY, RateLimited),
        (Fault.FAILING, ServerFault),
        (Fault.DENIED, AccessDenied),
        (Fault.UNREACHABLE, Unreachable),
        (Fault.CUT, Unreachable),
        (Fault.SLOW, DeadlineExceeded),
    ],
)
def test_fault_raises_error_of_real_server(
    vault: MemoryApplication, fault: Fault, error: type[StrongroomError]
) -> None:
    vault.put("jwt-secret", "one")
    vault.client.session.get(read(vault))
    with vault.fault(fault, "secret/"), pytest.raises(error):
        vault.client.session.get(read(vault))
    assert vault.client.session.get(read(vault))["data"]["data"] == {"value": "one"}


@pytest.mark.parametrize("value", [1, True, None, ["a"], {"a": "b"}])
def test_put_value_that_is_not_text_is_rejected(vault: MemoryApplication, value: object) -> None:
    path = f"secret/data/{vault.scope.service}/{vault.scope.environment}/pin"
    vault.operator.post(path, {"data": {"value": value}})
    with pytest.raises(SecretError, match="has no string under 'value'; write it again"):
        get_secret("pin")


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.FAILING, Fault.UNREACHABLE, Fault.CUT])
def test_fault_that_is_transient_is_retried_without_real_time(
    vault: MemoryApplication, fault: Fault
) -> None:
    vault.put("jwt-secret", "one")
    before = vault.server.clock()
    with vault.fault(fault, "secret/", times=2):
        assert get_secret("jwt-secret") == "one"
    assert vault.server.clock() > before


def test_outage_is_bridged_by_cache_and_marked_stale(vault: MemoryApplication) -> None:
    vault.put("jwt-secret", "one")
    get_secret("jwt-secret")
    vault.advance(301)
    with vault.fault(Fault.SEALED):
        assert get_secret("jwt-secret") == "one"
        info = get_secret_info("jwt-secret")
        assert info is not None
        assert info.stale
        vault.advance(3600)
        with pytest.raises(Sealed):
            get_secret("jwt-secret")


def test_expired_tokens_cause_one_login(vault: MemoryApplication) -> None:
    vault.put("jwt-secret", "one")
    session = vault.client.session
    session.get(read(vault))
    vault.advance(3601)
    start = threading.Barrier(16)

    def ask(_: int) -> object:
        start.wait()
        return session.get(read(vault))["data"]["data"]["value"]

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(ask, range(16))) == {"one"}
    assert vault.server.count(LOGIN) == 2


def test_renewal_is_capped_at_max_ttl(vault: MemoryApplication) -> None:
    vault.server.approles.get_or_create_role(str(vault.scope)).max_ttl = 5000
    session = vault.client.session
    session.get("auth/token/lookup-self")
    vault.advance(3000)
    assert session.post("auth/token/renew-self")["auth"]["lease_duration"] == 2000
    vault.advance(2001)
    session.get("auth/token/lookup-self")
    assert vault.server.count(LOGIN) == 2


def test_secret_id_used_up_fails_next_login(vault: MemoryApplication) -> None:
    role = vault.server.approles.get_or_create_role(str(vault.scope))
    for secret_id in role.secret_ids.values():
        secret_id.uses = 1
    vault.client.session.get("auth/token/lookup-self")
    vault.expire_tokens()
    with pytest.raises(AuthenticationFailed, match="issue a new secret-id"):
        vault.client.session.get("auth/token/lookup-self")


def test_lease_ends_with_its_ttl_and_with_its_token(vault: MemoryApplication) -> None:
    vault.database_role(ttl=60, max_ttl=100)
    session, leases = vault.client.session, vault.server.leases
    lease = session.get(f"database/creds/{vault.scope}")["lease_id"]
    vault.advance(50)
    renewal = {"lease_id": lease, "increment": 60}
    assert session.post("sys/leases/renew", renewal)["lease_duration"] == 50
    vault.advance(51)
    assert leases.living() == []
    with pytest.raises(RequestRefused):
        session.post("sys/leases/renew", renewal)
    session.get(f"database/creds/{vault.scope}")
    assert len(leases.living()) == 1
    vault.expire_tokens()
    assert leases.living() == []


def test_static_role_password_changes_with_its_period(vault: MemoryApplication) -> None:
    role = vault.server.leases.add_static_role("shop-static", "shop", period=100)
    first = role.password
    path = "database/static-creds/shop-static"
    vault.advance(40)
    assert vault.operator.get(path)["data"]["ttl"] == 60
    vault.advance(61)
    found = vault.operator.get(path)["data"]
    assert (found["username"], found["password"] != first) == ("shop", True)
    vault.operator.post("database/rotate-role/shop-static")
    assert vault.operator.get(path)["data"]["password"] != found["password"]


def test_authorise_decides_on_requests(vault: MemoryApplication) -> None:
    vault.put("jwt-secret", "one")
    asked: list[tuple[str, str]] = []

    def nobody(policies: tuple[str, ...], capability: str, path: str) -> bool:
        asked.append((capability, path))
        return policies == ("root",) or not path.startswith("secret/")

    vault.server.authorise = nobody
    with pytest.raises(AccessDenied):
        get_secret("jwt-secret")
    assert ("read", read(vault)) in asked


def test_cached_data_keys_survive_outage(vault: MemoryApplication) -> None:
    token = encrypt_field("a@b.c", context={"user_id": 7})
    with vault.fault(Fault.UNREACHABLE):
        other = encrypt_field("d@e.f", context={"user_id": 8})
        assert decrypt_field(token, context={"user_id": 7}) == "a@b.c"
    assert decrypt_field(other, context={"user_id": 8}) == "d@e.f"
    assert vault.server.count(f"transit/encrypt/{vault.scope.key('pii')}") == 1


def test_clock_stands_still_and_never_goes_back() -> None:
    server = MemoryVault()
    assert server.clock() == server.clock()
    with pytest.raises(ValueError, match="cannot go back"):
        server.clock.advance(-1)


def test_repr_of_server_objects_has_no_secret() -> None:
    server = MemoryVault()
    token = server.tokens.issue("somebody", ("root",), ttl=60)
    role = server.approles.get_or_create_role("shop")
    secret_id = role.issue()
    body = {"data": {"value": "x1y2"}}
    server.send("POST", "secret/data/a", timeout=1, token=token.value, body=body)
    shown = repr([server, token, role, server.seen, vars(server)])
    hidden = (token.value, secret_id, role.role_id, "x1y2")
    assert [value for value in hidden if value in shown] == []


def test_unsupported_path_has_the_message_of_the_real_server(vault: MemoryApplication) -> None:
    root = vault.server.tokens.issue("operator", ("root",), ttl=float("inf"))
    with pytest.raises(RequestRefused, match="unsupported path"):
        vault.server.send("GET", "auth/token/nothing", timeout=1.0, token=root.value)
