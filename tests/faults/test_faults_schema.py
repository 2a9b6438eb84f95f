"""Tests of the JSON Schemas on the declarations with one fault each.

A schema describes one file. So it finds the faults of shape, which are most of those that a person
makes while typing, and none that depends on several keys, on another file or on the file's name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vault.declare import load
from vault.declare.file_kind import Kind
from vault.declare.schema import json_schema

CORPUS: Final = Path(__file__).parent / "declare"
BASE: Final = CORPUS / "base"
CASES: Final = sorted(path.name for path in CORPUS.iterdir() if path.is_dir() and path != BASE)
VALID: Final = [
    path
    for root in (load.ROOT, load.PROJECT, BASE, CORPUS.parent / "dotenv" / "declaration")
    for folder in ("services", "environments", "policies")
    for path in sorted(root.glob(f"{folder}/*.yaml"))
]
#: Folder of a file → validator of its kind.
VALIDATORS: Final = {
    folder: Draft202012Validator(json.loads(json_schema.render(kind)))
    for folder, kind in (
        ("services", Kind.SERVICE),
        ("environments", Kind.ENVIRONMENT),
        ("policies", Kind.POLICY_TESTS),
    )
}


def words(text: str) -> frozenset[str]:
    """Return the words of *text*."""
    return frozenset(text.split())


#: Faults of YAML itself, which an editor's parser reports.
NOT_YAML: Final = words(
    """
    bare-password-with-an-asterisk bare-password-with-an-exclamation-mark duplicate-key not-utf-8
    merge-conflict not-yaml tab tag two-documents
    """
)
#: Faults of a valid shape: values that do not fit another key, another file or the file's name.
UNSEEN: Final = words(
    """
    adopted-and-derived-from adopted-is-not-given adopted-role-leases-users
    adopted-user-is-another-services-application adopted-user-is-another-services-owner
    adopted-user-is-reserved adopted-user-is-the-manager adopted-user-is-the-reader
    adopted-user-is-the-superuser adopted-user-of-another-service adopted-user-twice
    agent-method-not-allowed agent-without-token-file alias any-token-of-the-issuer
    certificate-for-a-key config-within-below-settle database-of-two-environments
    database-of-two-services
    derived-in-a-circle derived-where-its-part-is-absent
    environment-on-the-server-of-another group-claim-twice group-may-apply group-without-oidc
    http-beyond-this-machine http-in-prod jwks-over-http jwt-ca-without-jwks jwt-keys-and-jwks
    jwt-without-keys key-file-missing key-of-two-environments key-that-is-none
    kubernetes-host-over-http like-dev like-no-environment like-of-a-like lockout-without-people
    method-not-declared missing-template mounts-that-overlap name-is-not-the-file
    no-address-in-prod no-address-in-what-is-like-prod no-approle-in-dev no-database-endpoint
    no-default-role oidc-redirect-over-http oidc-without-default-role people-in-prod
    person-max-ttl-below-ttl person-with-a-job-of-another-deployment private-key-in-the-tree
    quota-of-no-mount quota-twice reserved-tag scoped-apply-role-with-people
    scoped-role-with-names-of-another-environment secret-and-setting-one-variable
    service-name-that-postgresql-reserves service-of-a-reserved-name setting-of-the-wrong-type
    setting-without-value share-with-an-unknown-service share-with-itself
    shared-database-in-a-circle shared-database-of-a-service-that-shares-one
    shared-database-of-a-service-without-one shared-database-of-an-unknown-service
    shared-database-of-itself shared-database-where-its-owner-is-absent
    shared-database-with-an-adopted-user shared-database-with-an-endpoint
    shared-database-without-admission ttl-above-max-ttl two-names-one-variable
    unknown-environment-of-a-secret unknown-password-policy unknown-policy unknown-reference
    unknown-service unknown-setting unknown-setting-in-config wrap-longer-than-secret-id
    yml-suffix
    """
)


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_bytes())


def find_errors(path: Path) -> list[str]:
    return [error.message for error in VALIDATORS[path.parent.name].iter_errors(read(path))]


@pytest.mark.parametrize("path", VALID, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_schema_accepts_a_valid_file(path: Path) -> None:
    assert find_errors(path) == []


def test_lists_name_cases_of_the_corpus() -> None:
    assert set(CASES) >= UNSEEN | NOT_YAML
    assert not UNSEEN & NOT_YAML
    assert len(CASES) - len(UNSEEN | NOT_YAML) >= 59


@pytest.mark.parametrize("case", sorted(set(CASES) - NOT_YAML))
def test_schema_finds_every_fault_of_shape_and_no_other(case: str) -> None:
    errors = [error for path in CORPUS.glob(f"{case}/*s/*.yaml") for error in find_errors(path)]
    assert (not errors) == (case in UNSEEN), errors


@pytest.mark.parametrize("case", sorted(NOT_YAML))
def test_parser_rejects_what_is_not_yaml(case: str) -> None:
    (path,) = CORPUS.glob(f"{case}/*s/*.yaml")
    with pytest.raises(YAMLError):
        read(path)
