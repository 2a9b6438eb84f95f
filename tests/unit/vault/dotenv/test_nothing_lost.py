"""Variables of generated files: an import accounts for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app_integration.names import Environment, Scope
from vault.declare.schema.secret_sources import Given
from vault.dotenv.choices import Choices
from vault.dotenv.classify import Kind
from vault.dotenv.declared_variables import DeclaredVariables
from vault.dotenv.deployment_secrets import Provided, provided_to_new
from vault.dotenv.parse import parse
from vault.dotenv.plan import ImportPlan, build_import_plan
from vault.dotenv.variable_names import secret_name

SCOPE = Scope("shop", Environment.DEV)
DECLARED = DeclaredVariables(
    SCOPE, {"DATABASE_URL": ("database-url", Given(source="given"))}, {}, {}
)
VALUES: Final = {
    "HOST": ("db", "/run/pg", "::1"),
    "PORT": ("5432", "6432"),
    "USER": ("app", ""),
    "PASSWORD": ("hunter2", "p/w:?#%"),
    "DB": ("shop", "shop?x#y"),
    "SSL": ("true",),
}
ACCOUNTS: Final = {
    prefix + part: VALUES[part] for prefix in ("POSTGRES_", "PG", "EMAIL_") for part in VALUES
}
URLS: Final = ("postgresql://app:hunter2@db/shop", "postgres://app@db/shop", "")
FILES = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(values) for name, values in {"DATABASE_URL": URLS, **ACCOUNTS}.items()
    },
)


def find_values(url: str) -> set[str]:
    """Return what *url* tells about an account, with the defaults of PostgreSQL."""
    there = urlsplit(url)
    port = str(there.port or 5432)
    found = (there.hostname, port, there.username, there.password, there.path[1:])
    plain = {unquote(each) for each in found if each}
    query = parse_qs(there.query)
    return plain.union({"", *query.get("host", ()), *query.get("port", ())})


def find_lost(plan: ImportPlan, values: Mapping[str, str]) -> list[str]:
    """Return the variables that are in no place after the import."""
    kept = {**plan.secrets, **plan.replaced}
    in_url = find_values(kept["database-url"].value.reveal()) if "database-url" in kept else set()
    values_kept = {each.value.reveal() for each in kept.values()}
    places: dict[Kind, Callable[[str], bool]] = {
        Kind.SECRET: lambda name: values[name] in values_kept | in_url,
        Kind.PART: lambda name: values[name] in in_url,
        Kind.SETTING: lambda name: secret_name(name) in plan.new_settings,
        Kind.SKIP: lambda _: True,
    }
    return [name for name in values if not places[plan.kinds[name]](name)]


@example({"DATABASE_URL": URLS[0], "PGPASSWORD": "p", "PGDB": "shop"}, "skip", False, False)
@example({"DATABASE_URL": URLS[0], "PGUSER": "app", "PGPASSWORD": "p"}, "skip", False, False)
@settings(max_examples=200)
@given(FILES, st.sampled_from(["skip", "setting", "secret"]), st.booleans(), st.booleans())
def test_each_variable_is_a_secret_a_setting_replaced_or_skipped(
    values: dict[str, str], answer: str, is_declared: bool, stays: bool
) -> None:
    file = parse(Path(".env"), "".join(f"{k}='{v}'\n" for k, v in values.items()).encode())
    provided = Provided() if is_declared else provided_to_new(file)
    declared = DECLARED if is_declared else DeclaredVariables(SCOPE, {}, {}, {})
    skipped = frozenset({"DATABASE_URL"} & values.keys()) if stays else frozenset[str]()
    plan = build_import_plan(file, declared, Choices(skipped=skipped), lambda *_: answer, provided)
    assert find_lost(plan, values) == []
