"""Tests of the files ``policies/<service>.tests.yaml``, and of how an invalid one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.mounts import Mounts
from app_integration.names import Environment
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.declare.policy_files import read_tests

ROW = "{path: '{kv}/data/shop/{environment}/token', capability: read, expect: allow}"


@pytest.fixture
def declared(root: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """Return a declaration of the service shop in dev and prod, which is in the working folder."""
    (root / "policies").mkdir()
    monkeypatch.chdir(root)
    return load(root, root / "templates")


def errors_of(declared: Declaration, text: str, name: str = "shop.tests.yaml") -> list[str]:
    Path("policies", name).write_text(text)
    with pytest.raises(DeclarationError) as raised:
        read_tests(Path("policies"), declared)
    return str(raised.value).splitlines()


def test_rows_have_their_line_and_the_path_of_an_environment(declared: Declaration) -> None:
    only_prod = ROW.replace("read", "update").replace("allow", "deny, environments: [prod]")
    Path("policies/shop.tests.yaml").write_text(f"# Rows\ntests:\n  - {ROW}\n  - {only_prod}\n")
    first, second = read_tests(Path("policies"), declared)["shop"]
    assert (first.file, first.line, second.line) == ("policies/shop.tests.yaml", 3, 4)
    prod, mounts = Environment.PROD, Mounts(kv="team/kv")
    assert first.test.path_in(prod, mounts) == "team/kv/data/shop/prod/token"
    assert [row.test.is_for(Environment.DEV) for row in (first, second)] == [True, False]
    assert second.test.is_for(prod)


def test_file_that_cannot_be_read_is_named(declared: Declaration) -> None:
    Path("policies/shop.tests.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(DeclarationError) as raised:
        read_tests(Path("policies"), declared)
    reason = "the file cannot be read: No such file or directory"
    assert str(raised.value) == f"policies/shop.tests.yaml: {reason}"


def test_folder_that_does_not_exist_has_no_tests(declared: Declaration) -> None:
    assert read_tests(Path("nowhere"), declared) == {}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (
            ROW.replace("{environment}", "{enviroment}"),
            (
                ".path has the placeholder 'enviroment' (expected approle, database, environment, "
                "kv or transit; did you mean 'environment'?)"
            ),
        ),
        (
            "{path: sys/policies/acl/*, capability: read, expect: deny}",
            (
                ".path is 'sys/policies/acl/*' (expected a path of the API without 'v1/' and "
                "without wildcards, such as '{kv}/data/shop/{environment}/token')"
            ),
        ),
        (
            ROW.replace("read", "write"),
            ".capability is 'write' (expected create, delete, list, patch, read, sudo or update)",
        ),
        (
            ROW.replace("expect: allow", "expect: alow"),
            ".expect is 'alow' (expected allow or deny; did you mean 'allow'?)",
        ),
        (
            ROW.replace("expect", "expects"),
            (
                " has the unknown key 'expects' (expected capability, environments, expect or "
                "path; did you mean 'expect'?)"
            ),
        ),
        (
            ROW.replace("}'", "/../x'").replace("allow}", "allow, environments: [prd]}"),
            (
                ".environments[0] is 'prd', which is not declared (expected dev or prod; did you "
                "mean 'prod'?)"
            ),
        ),
        ("7", " is a number (expected a list of rows with path, capability and expect)"),
    ],
)
def test_invalid_row_is_reported_with_its_place(
    declared: Declaration, row: str, error: str
) -> None:
    found = errors_of(declared, f"tests:\n  - {row}\n")
    assert f"policies/shop.tests.yaml:2: tests[0]{error}" in found


def test_repeated_row_is_reported_whatever_it_expects(declared: Declaration) -> None:
    contrary = ROW.replace("allow", "deny")
    assert errors_of(declared, f"tests:\n  - {ROW}\n  - {contrary}\n") == [
        (
            "policies/shop.tests.yaml:3: tests[1] repeats the path and capability of line 2 "
            "(expected each of them once)"
        )
    ]


@pytest.mark.parametrize("name", ["shp.tests.yaml", "shop.test.yaml", "shop.tests.yml"])
def test_file_that_would_not_be_read_is_an_error(declared: Declaration, name: str) -> None:
    (error,) = errors_of(declared, f"tests:\n  - {ROW}\n", name)
    assert error == (
        f"policies/{name}: the file's name is that of no declared service (expected "
        "shop.tests.yaml; did you mean 'shop.tests.yaml'?)"
    )


def test_link_out_of_the_folder_is_not_followed(declared: Declaration, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("tests: []\n")
    Path("policies/shop.tests.yaml").symlink_to(tmp_path / "secret")
    with pytest.raises(DeclarationError, match="a link that leads out of policies/"):
        read_tests(Path("policies"), declared)


@pytest.mark.parametrize(
    "path", ["/sys/mounts", "v1/sys/mounts", "../x", "a/../b", "a//b", "a b", "{kv", "+/x", ""]
)
def test_path_of_another_form_is_refused(declared: Declaration, path: str) -> None:
    row = f"{{path: '{path}', capability: read, expect: deny}}"
    (error,) = errors_of(declared, f"tests:\n  - {row}\n")
    assert f"tests[0].path is {path!r} (expected a path of the API" in error
