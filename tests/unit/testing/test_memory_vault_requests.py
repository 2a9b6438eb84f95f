"""Any request to the server in memory ends in an HTTP response, and nothing of it is ignored."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.testing.leases import DatabaseRole
from app_integration.testing.memory_vault import MemoryVault

#: Requests whose body the server takes as it is, or that it rejects whatever they say.
TAKEN_WHOLE: Final = {("POST", "sys/wrapping/wrap"), ("POST", "sys/audit/a")}
NAMED: Final = b"the in-memory Vault does not support the parameter 'nope'"
SHAPES: Final = (404, 405)
METHODS = st.sampled_from(["GET", "HEAD", "LIST", "POST", "PUT", "PATCH", "DELETE", "SCAN", "FOO"])
#: Paths of the API, in which the last segments vary.
API_PATHS: Final = (
    *("secret/config", "secret/data/a", "secret/data/b/c", "secret/metadata/a", "secret/nope"),
    *("secret/metadata", "secret/subkeys/a", "secret/delete/a", "secret/undelete/a"),
    *("secret/destroy/a", "secret/", "secret", "", "/", "transit/keys", "transit/keys/k"),
    *("transit/keys/e", "transit/keys/k/rotate", "transit/keys/k/config", "transit/encrypt/k"),
    *("transit/encrypt/new", "transit/decrypt/k", "transit/rewrap/k", "transit/hmac/k"),
    *("transit/hmac/k/sha2-512", "transit/sign/e", "transit/verify/e", "transit/verify/k"),
    *("transit/datakey/plaintext/k", "transit/datakey/wrapped/k", "auth/approle/login"),
    *("auth/approle/role", "auth/approle/role/r", "auth/approle/role/r/role-id"),
    *("auth/approle/role/r/secret-id", "auth/approle/role/r/custom-secret-id"),
    *("auth/approle/role/r/secret-id/lookup", "auth/approle/role/r/secret-id/destroy"),
    *("auth/approle/role/r/secret-id-accessor/lookup", "auth/token/create"),
    *("auth/token/create-orphan", "auth/token/create/t", "auth/token/lookup"),
    *("auth/token/lookup-self", "auth/token/lookup-accessor", "auth/token/renew"),
    *("auth/token/renew-self", "auth/token/renew-accessor", "auth/token/revoke"),
    *("auth/token/revoke-accessor", "auth/token/revoke-orphan", "auth/token/accessors"),
    *("auth/token/roles", "auth/token/roles/t", "database/creds/d", "database/static-creds/s"),
    *("database/rotate-role/s", "sys/health", "sys/seal-status", "sys/init", "sys/leader"),
    *("sys/mounts", "sys/mounts/m", "sys/mounts/m/tune", "sys/auth", "sys/auth/m"),
    *("sys/policies/acl", "sys/policies/acl/p", "sys/policy/p", "sys/capabilities-self"),
    *("sys/capabilities", "sys/capabilities-accessor", "sys/audit", "sys/audit/a"),
    *("sys/audit-hash/file", "sys/leases/lookup", "sys/leases/renew", "sys/leases/revoke"),
    *("sys/leases/revoke-prefix/d", "sys/wrapping/wrap", "sys/wrapping/lookup"),
    *("sys/wrapping/unwrap", "sys/wrapping/rewrap", "sys/nope", "m/keys/k", "m/data/a"),
)
#: Parameters of those paths.
NAMES = st.sampled_from(
    [
        *("data", "options", "cas", "versions", "max_versions", "cas_required"),
        *("delete_version_after", "custom_metadata", "plaintext", "ciphertext", "context"),
        *("associated_data", "key_version", "batch_input", "partial_failure_response_code"),
        *("reference", "type", "derived", "key_size", "bits", "input", "algorithm", "signature"),
        *("hash_algorithm", "hmac", "salt_length", "prehashed", "marshaling_algorithm"),
        *("signature_algorithm", "min_decryption_version", "min_encryption_version"),
        *("deletion_allowed", "auto_rotate_period", "role_id", "secret_id", "metadata", "ttl"),
        *("num_uses", "secret_id_accessor", "token_policies", "token_ttl", "token_max_ttl"),
        *("token_period", "secret_id_ttl", "secret_id_num_uses", "token", "accessor"),
        *("increment", "policies", "meta", "period", "explicit_max_ttl", "display_name", "id"),
        *("allowed_policies", "policy", "path", "paths", "lease_id", "config", "description"),
        *("nope", "", "é"),
    ]
)
TEXTS = st.sampled_from(
    [
        *("", "x", "1", "-1", "1h", "-5s", "1h1m1.5s", "9" * 40, "9" * 30 + "h", "1e999", "true"),
        *("AAAA", "!!", "cA==", "é", "\udc80", "\x00", "vault:v1:", "vault:v1:AAAA", "vault:v9:x"),
        *("vault:v" + "9" * 30 + ":AAAA", "vault:v-1:é", '{"a":"b"}', '{"a":1}', "[" * 5000),
        *("ed25519", "hmac", "kv", "kv-v2", "transit", "approle", "none", "jws", "auto", "root"),
        *("sha2-512", "pkcs1v15", "٣"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**63, -(2**63), 10**30, 10**4000, 1e308, float("inf"), float("nan")]),
    st.floats(),
    TEXTS,
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)
BODIES = st.one_of(st.dictionaries(NAMES, VALUES, max_size=5), VALUES)
QUERIES = st.one_of(
    st.just(""),
    st.builds("?{}={}".format, NAMES, TEXTS),
    st.sampled_from(["?list=true", "?", "?="]),
)
REQUESTS = st.tuples(
    METHODS, st.sampled_from(API_PATHS), QUERIES, BODIES, st.booleans(), st.none() | SCALARS
)


def new_server() -> tuple[MemoryVault, str]:
    """Return a server with something at most paths, and a token that may do everything."""
    server = MemoryVault()
    token = server.tokens.issue("token", ("root",), ttl=float("inf")).value
    for path, body in (
        ("secret/data/a", {"data": {"value": "x"}}),
        ("transit/keys/k", {}),
        ("transit/keys/e", {"type": "ed25519"}),
        ("auth/approle/role/r", {}),
        ("auth/token/roles/t", {}),
        ("sys/policies/acl/p", {"policy": 'path "x" {}'}),
    ):
        assert server.answer("POST", path, token=token, body=body).ok
    server.leases.roles["d"] = DatabaseRole()
    server.leases.add_static_role("s", "shop", 60)
    return server, token


NIGHTLY: Final = [pytest.mark.nightly, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=NIGHTLY)])
def test_any_requests_end_in_http_responses(count: int) -> None:
    @settings(max_examples=count)
    @given(requests=st.lists(REQUESTS, min_size=1, max_size=8))
    def each(requests: list[tuple[Any, ...]]) -> None:
        server, root = new_server()
        for method, path, query, body, is_root, wrap_ttl in requests:
            token = root if is_root else "s.none"
            response = server.answer(
                method, f"{path}{query}", token=token, body=body, wrap_ttl=wrap_ttl
            )
            assert 200 <= response.status < 600
            assert response.content == b"" or isinstance(json.loads(response.content), dict)

    each()


def test_unknown_parameter_is_named_on_each_path() -> None:
    server, root = new_server()
    checked, silent = 0, []
    for path in API_PATHS:
        for method in ("GET", "LIST", "POST", "PATCH", "DELETE"):
            is_body = method in {"POST", "PATCH"}
            where = path if is_body else f"{path}?nope=1"
            body = {"nope": 1} if is_body else None
            response = server.answer(method, where, token=root, body=body)
            if response.status in SHAPES or (method, path) in TAKEN_WHOLE or path.endswith("/"):
                continue
            checked += 1
            if NAMED not in response.content:
                silent.append((method, path, response.content))
    assert silent == []
    assert checked > 100
