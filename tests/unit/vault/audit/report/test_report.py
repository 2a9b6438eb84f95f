"""Report over lines of a server's log, made by hand in the forms that a real server writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app_integration.mounts import DEFAULT_MOUNTS
from tests.support.models import audit_report
from tests.support.models.audit_lines import (
    SALT,
    line,
    program,
    secret,
    write_records,
    write_store,
)
from tests.support.models.audit_report import JWT, KV, report
from vault.audit.report import activity

APPROLE: dict[str, Any] = {"mount_type": "approle", "mount_point": "auth/approle/"}
SHOP = program("shop-dev", "web-1")
DENIED = "1 error occurred:\n\t* permission denied\n\n"


def rows(found: list[dict[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    """Return values of rows."""
    return [tuple(row[key] for key in keys) for row in found]


def test_reads_have_who_from_where_when_and_which_versions(tmp_path: Path) -> None:
    times = ("2026-05-03T00:00:00.5Z", "2026-05-02T00:00:00.123456789Z", "2026-05-02T00:00:01Z")
    lines = [
        line(JWT, time=time, auth=SHOP, response=secret(version), **KV)
        for time, version in zip(times, (3, 1, 1), strict=True)
    ]
    other = line(JWT, auth=program("shop-dev", "web-2"), response=secret(2), **KV)
    found = report(write_store(tmp_path, [*lines, other]))["reads"]
    assert (
        rows(found, "service", "environment", "kind", "name", "path")
        == [("shop", "dev", "secret", "jwt", JWT)] * 2
    )
    assert rows(found, "actor", "host", "address", "count", "first", "last", "versions") == [
        (
            *("shop-dev", "web-1", "10.0.0.1", 3),
            *("2026-05-02T00:00:00.123Z", "2026-05-03T00:00:00.500Z", [1, 3]),
        ),
        ("shop-dev", "web-2", "10.0.0.1", 1, *["2026-05-01T12:00:00.000Z"] * 2, [2]),
    ]


def test_refused_requests_are_told_apart(tmp_path: Path) -> None:
    refused = program("shop-dev", policy_results={"allowed": False})
    forms: list[tuple[str, dict[str, Any]]] = [
        ("denied", {"auth": refused, "error": DENIED}),
        ("denied", {"auth": SHOP, "error": "permission denied"}),
        ("failed", {"auth": SHOP, "response": {"data": {"error": f"{SALT}no such key"}}}),
        ("failed", {"auth": SHOP, "error": "unsupported path"}),
        ("absent", {"auth": SHOP, "response": {"data": {"http_status_code": 404}}}),
        ("absent", {"auth": SHOP}),
        ("absent", {"auth": SHOP, "response": {"mount_type": "kv"}}),
    ]
    lines = [line(f"{JWT}{number}", **form, **KV) for number, (_, form) in enumerate(forms)]
    document = report(write_store(tmp_path, lines))
    assert rows(document["refusals"], "outcome", "path", "actor", "count") == [
        (outcome, f"{JWT}{number}", "shop-dev", 1) for number, (outcome, _) in enumerate(forms)
    ]
    assert document["reads"] == []
    totals = document["totals"]
    assert (totals["denied"], totals["failed"], totals["absent"]) == (2, 2, 3)


def test_request_that_a_standby_passed_to_the_leader_is_left_out(tmp_path: Path) -> None:
    hashed = {"data": {"error": f"{SALT}no such key"}}
    lines = [
        line(
            JWT,
            auth=SHOP,
            error="1 error occurred:\n\t* cannot write to readonly storage\n\n",
            **KV,
        ),
        line("auth/approle/login", error="invalid request", response=hashed, **APPROLE),
        line(JWT, auth=SHOP, error="invalid request", response=hashed, **KV),
        line("auth/approle/login", error="invalid credentials", response=hashed, **APPROLE),
    ]
    document = report(write_store(tmp_path, lines))
    assert sorted(rows(document["refusals"], "path", "count")) == [
        ("auth/approle/login", 1),
        (JWT, 1),
    ]


def test_request_line_without_a_response_is_counted_only(tmp_path: Path) -> None:
    document = report(write_store(tmp_path, [line(JWT, kind="request", auth=SHOP, **KV)]))
    assert document["totals"]["requests"] == 0
    assert rows(document["coverage"]["devices"], "device", "requests", "responses") == [
        ("audit-1", 1, 0)
    ]


def test_wrapped_read_has_no_version_and_is_marked(tmp_path: Path) -> None:
    wrapped = line(JWT, auth=SHOP, response={"wrap_info": {"ttl": 60}}, **KV)
    (found,) = report(write_store(tmp_path, [wrapped]))["reads"]
    assert (found["wrapped"], found["versions"], found["count"]) == (1, [], 1)


def test_lines_of_two_devices_count_once_and_both_are_named(tmp_path: Path) -> None:
    lines = [line(JWT, auth=SHOP, response=secret(1), **KV)]
    write_store(tmp_path, lines, device="audit-1")
    document = report(write_store(tmp_path, lines, device="audit-2"))
    assert rows(document["reads"], "count") == [(1,)]
    assert rows(document["coverage"]["devices"], "device", "lines") == [
        ("audit-1", 1),
        ("audit-2", 1),
    ]


def test_period_excludes_other_times_and_namespaces(tmp_path: Path) -> None:
    inside = line(JWT, time="2026-05-01T00:00:00Z", auth=SHOP, response=secret(1), **KV)
    outside = [
        line(JWT, time="2026-04-30T23:59:59.999999999Z", auth=SHOP, response=secret(1), **KV),
        line(JWT, time="2026-06-01T00:00:00Z", auth=SHOP, response=secret(1), **KV),
    ]
    other = [
        line(JWT, kind=kind, auth=SHOP, namespace={"path": "team/"}, **KV)
        for kind in ("request", "response")
    ]
    store = write_store(tmp_path, [*outside, inside, *other])
    write_store(tmp_path, other, device="audit-2")
    document = report(store)
    assert document["totals"]["requests"] == 1
    assert document["coverage"]["other_namespaces"] == [{"namespace": "team", "requests": 1}]
    assert report(store, namespace="team/")["totals"]["absent"] == 1


def test_service_excludes_paths_and_actors_of_others(tmp_path: Path) -> None:
    lines = [
        line(JWT, auth=SHOP, response=secret(1), **KV),
        line(JWT, auth=program("mail-dev"), error=DENIED, **KV),
        line("sys/mounts", auth=SHOP, response={"data": {}}),
        line("secret/data/mail/dev/smtp", auth=program("mail-dev"), response=secret(1), **KV),
    ]
    document = report(write_store(tmp_path, lines), service="shop")
    assert document["totals"]["requests"] == 3
    assert rows(document["refusals"], "actor") == [("mail-dev",)]
    assert "mail/dev/smtp" not in json.dumps(document)


PLACES: dict[str, tuple[str | None, ...]] = {
    "secret/data/shop/dev/other": ("shop", "dev", None),
    "secret/data/shop/prod/jwt": ("shop", "prod", None),
    "secret/data/shopping/dev/jwt": (None, None, None),
    "transit/encrypt/shop-dev-pii": ("shop", "dev", "pii"),
    "transit/datakey/plaintext/shop-dev-pii": ("shop", "dev", "pii"),
    "transit/hmac/shop-dev-new/sha2-512": ("shop", "dev", None),
    "database/creds/shop-dev": ("shop", "dev", "default"),
    "database/static-creds/shop-dev-url-a": ("shop", "dev", None),
    "kv-1/shop/dev/jwt": (None, None, None),
}


def test_path_has_the_service_that_it_is_declared_for(tmp_path: Path) -> None:
    lines = []
    for path in PLACES:
        mount = path.split("/")[0]
        kind = mount if mount in {"transit", "database"} else "kv"
        operation = "update" if kind == "transit" else "read"
        response = {"data": {"a": f"{SALT}1"}}
        mounted = {"mount_type": kind, "mount_point": f"{mount}/"}
        lines.append(line(path, operation, auth=SHOP, response=response, **mounted))
    found = report(write_store(tmp_path, lines))["reads"]
    keys = ("service", "environment", "name")
    assert {row["path"]: tuple(row[key] for key in keys) for row in found} == PLACES


def login(token: str) -> dict[str, Any]:
    """Return a login of the shop."""
    auth = program("shop-dev", "web-1", token, policy_results={})
    new = {"auth": {"accessor": auth["accessor"], "token_ttl": 60}}
    return line("auth/approle/login", "update", auth=auth, response=new, **APPROLE)


def test_churn_counts_logins_renewals_and_tokens_used_once(tmp_path: Path) -> None:
    def use(token: str, path: str = JWT, operation: str = "read") -> dict[str, Any]:
        auth = program("shop-dev", "web-1", token)
        return line(path, operation, auth=auth, response=secret(1), **KV)

    own: dict[str, Any] = {"mount_type": "token", "mount_point": "auth/token/"}
    renewed = line("auth/token/renew-self", "update", auth=program("shop-dev"), **own)
    lines = [login(each) for each in ("t1", "t2", "t3")]
    lines += [use("t1"), use("t2"), use("t2"), renewed]
    document = report(write_store(tmp_path, lines))
    keys = ["actor", "tokens", "unused", "used_once", "logins", "reads", "logins_per_read"]
    assert rows(document["tokens"], *keys) == [("shop-dev", 3, 1, 1, 3, 3, 1.0)]
    keys = ["day", "actor", "logins", "issued", "renewed", "revoked", "reads"]
    assert rows(document["token_days"], *keys) == [("2026-05-01", "shop-dev", 3, 0, 1, 0, 3)]


def test_batch_token_is_known_by_its_own_hmac(tmp_path: Path) -> None:
    batch = program("shop-dev", "web-1", "b1", accessor="", token_type="batch")
    lines = [line(JWT, auth=batch, response=secret(1), **KV)]
    (found,) = report(write_store(tmp_path, lines))["tokens"]
    assert (found["tokens"], found["used_once"]) == (1, 1)


def test_bad_token_and_failed_login_are_requests_without_a_token(tmp_path: Path) -> None:
    lines = [
        line(JWT, error=DENIED, **KV),
        line("auth/approle/login", "update", error="invalid secret id", **APPROLE),
    ]
    document = report(write_store(tmp_path, lines))
    assert rows(document["without_token"], "path", "outcome", "login", "address", "count") == [
        ("auth/approle/login", "failed", True, "10.0.0.1", 1),
        (JWT, "denied", False, "10.0.0.1", 1),
    ]
    assert document["totals"]["actors"] == 0


def test_person_behind_an_alias_is_named(tmp_path: Path) -> None:
    person = {"accessor": f"{SALT}p", "policy_results": {"allowed": True}, "entity_id": "e-1"}
    amal = {"display_name": "userpass-amal", "metadata": {"username": "amal"}, **person}
    bo = {"display_name": "oidc-bo@example.com", "metadata": {"role": "people"}, **person}
    job = {"display_name": "jwt-repo:team/x", "metadata": {"role": "ci"}, **person}
    lines = [line(JWT, auth=auth, response=secret(1), **KV) for auth in (amal, bo, job)]
    found = report(write_store(tmp_path, lines))["actors"]
    assert rows(found, "actor", "person", "methods", "aliases", "entities") == [
        ("amal", True, ["userpass"], ["amal"], ["e-1"]),
        ("oidc-bo@example.com", True, ["oidc"], ["bo@example.com"], ["e-1"]),
        ("ci", False, ["jwt"], ["repo:team/x"], ["e-1"]),
    ]


def test_method_is_the_whole_name_of_the_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = replace(DEFAULT_MOUNTS, approle="quarry/the-approle")
    monkeypatch.setattr(audit_report, "DECLARED", replace(audit_report.DECLARED, mounts=mounts))
    names = ("quarry-the-approle", "quarry-the-approle-web-1", "quarry-other")
    lines = [
        line(JWT, auth={**program("shop-dev"), "display_name": name}, response=secret(1), **KV)
        for name in names
    ]
    (actor,) = report(write_store(tmp_path, lines))["actors"]
    assert (actor["methods"], actor["aliases"]) == (
        ["quarry", "quarry-the-approle"],
        ["other", "web-1"],
    )


def test_database_user_is_named_if_the_mount_shows_it(tmp_path: Path) -> None:
    mount: dict[str, Any] = {"mount_type": "database", "mount_point": "database/"}

    def lease(lease_id: str, user: str, time: str) -> dict[str, Any]:
        response = {"secret": {"lease_id": lease_id}, "data": {"username": user}}
        return line("database/creds/shop-dev", time=time, auth=SHOP, response=response, **mount)

    lines = [
        lease("database/creds/shop-dev/a", f"{SALT}1", "2026-05-01T00:00:00Z"),
        lease("database/creds/shop-dev/b", "v-shop-1", "2026-05-02T00:00:00Z"),
    ]
    found = report(write_store(tmp_path, lines))["database_users"]
    assert rows(found, "lease_id", "user", "role", "service", "actor", "host") == [
        ("database/creds/shop-dev/b", "v-shop-1", "shop-dev", "shop", "shop-dev", "web-1"),
        ("database/creds/shop-dev/a", None, "shop-dev", "shop", "shop-dev", "web-1"),
    ]


CHANGES = [
    ("secret/data/shop/dev/jwt", "create", "secret"),
    ("secret/metadata/shop/dev/jwt", "delete", "secret"),
    ("secret/destroy/shop/dev/jwt", "update", "secret"),
    ("transit/keys/shop-dev-pii/rotate", "update", "key"),
    ("secret/metadata/_strongroom/dev/policy/shop-dev", "update", "record"),
    ("database/roles/shop-dev", "update", "database"),
    ("sys/policies/acl/shop-dev", "update", "policy"),
    ("sys/mounts/kv-1", "update", "mount"),
    ("sys/auth/oidc", "update", "mount"),
    ("sys/audit/file", "delete", "audit"),
    ("sys/leases/revoke-prefix/x", "update", "system"),
    ("auth/approle/role/shop-dev", "update", "role"),
    ("auth/approle/role/shop-dev/secret-id", "update", "credential"),
    ("auth/userpass/users/amal", "create", "person"),
    ("identity/entity", "update", "identity"),
    ("secret/metadata/shop/dev/", "list", None),
    ("sys/wrapping/unwrap", "update", None),
    ("sys/leases/renew", "update", None),
    ("sys/audit-hash/file", "update", None),
    ("sys/capabilities-self", "update", None),
    ("auth/approle/role/shop-dev/secret-id-accessor/lookup", "update", None),
    ("auth/token/renew-self", "update", None),
    ("identity/lookup/entity", "update", None),
    ("transit/encrypt/shop-dev-pii", "update", None),
]


def test_change_is_by_what_was_changed(tmp_path: Path) -> None:
    response = {"data": {"keys": 1}}
    lines = [line(path, operation, auth=SHOP, response=response) for path, operation, _ in CHANGES]
    found = report(write_store(tmp_path, lines))["changes"]
    assert {(row["path"], row["operation"], row["subject"]) for row in found} == {
        each for each in CHANGES if each[2] is not None
    }


def test_no_data_of_a_request_or_response_is_in_the_report(tmp_path: Path) -> None:
    data = {"value": "M4RK", "pin": 987654321, "M4RK": {"M4RK": True}, "keys": ["M4RK"]}
    lines = [
        line(JWT, operation, auth=SHOP, data=data, response={"data": {"data": data, **data}}, **KV)
        for operation in ("read", "update")
    ]
    store = write_store(tmp_path, lines)
    write_records(store, [record("r", field="M4RK")])
    document = json.dumps(report(store))
    assert JWT in document
    assert "M4RK" not in document
    assert "987654321" not in document


def record(
    request_id: str, time: str = "2026-05-02T00:00:00.500+00:00", **fields: Any
) -> dict[str, Any]:
    """Return an access record of the SDK."""
    return {
        "time": time,
        "service": "shop",
        "environment": "dev",
        "host": "web-1",
        "pid": 7,
        "operation": "get_secret",
        "secret": "jwt",
        "outcome": "miss",
        "source": "vault",
        "version": 1,
        "request_id": None if request_id == "r" else request_id,
        **fields,
    }


def test_records_are_compared_over_the_time_that_both_cover(tmp_path: Path) -> None:
    ids = [f"00000000-0000-0000-0001-{number:012}" for number in range(6)]

    def read(number: int, time: str, role: str = "shop-dev") -> dict[str, Any]:
        auth = program(role, "web-1")
        return line(JWT, id=ids[number], time=time, auth=auth, response=secret(1), **KV)

    lines = [
        read(0, "2026-05-01T00:00:00Z"),  # before the first record
        read(1, "2026-05-02T00:00:00.4Z"),
        read(2, "2026-05-03T00:00:00Z"),  # without a record
        read(3, "2026-05-03T00:00:00Z", "strongroom-apply"),
        read(4, "2026-05-05T00:00:00Z"),  # after the last record
    ]
    records = [
        record(ids[1]),
        record(ids[1], "2026-05-02T01:00:00.0Z", outcome="hit", count=5),
        record(ids[5], "2026-05-03T00:00:00.0Z"),
        record(ids[1], "2026-05-04T00:00:00.0Z", outcome="hit"),
    ]
    found = report(write_records(write_store(tmp_path, lines), records))["records"]
    assert rows(found["releases"], "outcome", "host", "pid", "count", "versions") == [
        ("hit", "web-1", 7, 6, [1]),
        ("miss", "web-1", 7, 2, [1]),
    ]
    assert rows(found["overlap"], "service", "first", "last") == [
        ("shop", "2026-05-02T00:00:00.500Z", "2026-05-04T00:00:00.000Z")
    ]
    assert rows(found["unrecorded"], "name", "actor", "count", "first") == [
        ("jwt", "shop-dev", 1, "2026-05-03T00:00:00.000Z")
    ]
    assert rows(found["unlogged"], "secret", "request_id") == [("jwt", ids[5])]


def test_silence_of_more_than_an_hour_is_reported(tmp_path: Path) -> None:
    times = ("2026-05-01T00:00:30Z", "2026-05-01T00:59:00Z", "2026-05-01T03:00:00Z")
    lines = [line(JWT, time=time, auth=SHOP, **KV) for time in times]
    assert report(write_store(tmp_path, lines))["coverage"]["silences"] == [
        {"first": "2026-05-01T00:59:00.000Z", "last": "2026-05-01T03:00:00.000Z", "seconds": 7260}
    ]


def test_report_of_an_empty_period_has_all_keys(tmp_path: Path) -> None:
    lines = [line(JWT, time="2026-04-01T00:00:00Z", auth=SHOP, **KV)]
    full = report(write_store(tmp_path / "full", [line(JWT, auth=SHOP, **KV)]))
    empty = report(write_store(tmp_path / "empty", lines))
    assert empty.keys() == full.keys()
    assert (empty["totals"]["requests"], empty["coverage"]["first"]) == (0, None)


def test_rows_beyond_the_most_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        line(f"secret/data/shop/dev/{number}", auth=SHOP, response=secret(1), **KV)
        for number in range(5)
    ]
    monkeypatch.setattr(activity, "MAX_ROWS", 3)
    document = report(write_store(tmp_path, lines))
    assert [row["path"][-1] for row in document["reads"]] == ["0", "1", "2"]
    assert document["left_out"] == {"reads": 2}
    assert document["totals"]["reads"] == 5
