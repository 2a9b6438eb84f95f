"""Tests of compiled templates: their text, their needs and their preview."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config_file
from agent.auto_auth import AppRoleAutoAuth
from agent.compiler import formats
from agent.compiler.errors import TemplateRejected
from agent.compiler.formats import Format, Scalar
from agent.compiler.template_compiler import CompiledTemplate, compile_file, compile_text
from agent.compiler.template_context import TemplateContext
from agent.config_file import AgentSettings
from agent.supervisor.delivered_file import DeliveredFile
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.permissions import Need
from vault.reconcile.hcl.strings import quote as quoted_hcl

SCOPE = Scope("gaara-store", Environment.DEV)
PREFIX = "secret/data/gaara-store/dev"
STORE_TEMPLATE = Path(__file__).parents[3] / "agent/templates/gaara-store/app.yaml.j2"

#: Any text that a file can contain: no lone surrogates, no NUL.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ALL_FORMATS = (formats.YAML, formats.JSON, formats.TOML, formats.DOTENV, formats.SHELL)


def compile_source(source: str, name: str = "app.yaml.j2", **settings: Any) -> CompiledTemplate:
    return compile_text(
        source,
        name,
        TemplateContext(scope=SCOPE, secrets=["redis-url", "jwt-secret"], settings=settings),
    )


def test_secret_is_compiled_to_a_quoting_action() -> None:
    assert compile_source('url: {{ secret("redis-url") }}\n').text == (
        f'url: {{{{ with secret "{PREFIX}/redis-url" }}}}'
        r'{{ .Data.data.value | printf "%+q" | replaceAll "<" "\\x3c" }}{{ end }}'
        "\n"
    )


def test_file_text_begins_with_the_versions_of_the_secrets_in_it() -> None:
    source = 'a: {{ url("x://{}", secret("redis-url")) }}\nb: {{ secret("jwt-secret") }}\n'
    found = compile_text(
        source + 'c: {{ secret("redis-url") }}\nd: {{ secret("db") }}\n',
        "app.yaml.j2",
        TemplateContext(
            scope=SCOPE, secrets=["redis-url", "jwt-secret", "db"], settings={}, adopted=["db"]
        ),
    )
    line = "#strongroom-versions " + " ".join(
        f'gaara-store/dev/{name}={{{{ with secret "{PREFIX}/{name}" }}}}'
        "{{ .Data.metadata.version }}{{ end }}"
        for name in ("jwt-secret", "redis-url")
    )
    assert found.file_text == f"{line}\n{found.text}"
    assert compile_source("a: 1\n").file_text == "a: 1\n"


def test_needs_are_unique_and_sorted() -> None:
    source = 'a: {{ secret("redis-url") }}\nb: {{ secret("jwt-secret") }}\n'
    assert compile_source(source + 'c: {{ url("redis://{}", secret("redis-url")) }}\n').needs == (
        Need(f"{PREFIX}/jwt-secret", "read"),
        Need(f"{PREFIX}/redis-url", "read"),
    )


def test_branch_not_taken_needs_nothing() -> None:
    source = '{% if setting("use") %}\na: {{ secret("redis-url") }}\n{% endif %}\nb: 1\n'
    assert compile_source(source, use=False).needs == ()
    assert compile_source(source, use=True).needs == (Need(f"{PREFIX}/redis-url", "read"),)


def test_loop_may_name_secrets() -> None:
    source = '{% for name in ["redis-url", "jwt-secret"] %}\n{{ "x" }}: 1\n{% endfor %}'
    with pytest.raises(TemplateRejected, match="is in a key"):
        compile_source(source)
    source = '{% for name in ["redis-url", "jwt-secret"] %}\n- {{ secret(name) }}\n{% endfor %}'
    assert len(compile_source(source).needs) == 2


@pytest.mark.parametrize(
    ("literal", "escaped"),
    [
        ("{% raw %}{{{% endraw %}", '{{ "{{" }}'),
        ("{% raw %}{{{{{% endraw %}", '{{ "{{{{" }}'),
        ("{% raw %}}}{% endraw %}", "}}"),
        ("{% raw %}{{/* */}}{% endraw %}", '{{ "{{" }}/* */}}'),
        ("{ {%- if 1 -%} { {%- endif %}", '{{ "{{" }}'),
    ],
)
def test_literal_braces_are_preserved(literal: str, escaped: str) -> None:
    assert compile_source(f"a: 'x{literal}y'\n").text == f"a: 'x{escaped}y'\n"


def test_setting_keeps_its_type() -> None:
    source = "a: {{ setting('t') }}\nb: {{ setting('n') }}\nc: {{ setting('f') }}\n"
    assert compile_source(source, t="yes", n=25, f=True).preview == 'a: "yes"\nb: 25\nc: true\n'


def test_setting_is_text_in_a_format_without_types() -> None:
    assert compile_source("A={{ setting('n') }}\n", "app.env.j2", n=25).text == 'A="25"\n'
    assert compile_source("A={{ setting('n') }}\n", "app.sh.j2", n=True).text == "A='true'\n"


def test_setting_cannot_open_an_action() -> None:
    assert compile_source("a: {{ setting('t') }}\n", t='{{ env "HOME" }}').text == (
        'a: "{{ "{{" }} env \\U00000022HOME\\U00000022 }}"\n'
    )


def test_url_encodes_each_value_and_is_quoted_once() -> None:
    source = 'a: {{ url("pg://{}:{}@h/100%25?x={}", setting("u"), secret("redis-url"), 5) }}\n'
    result = compile_source(source, u="a/b c+d")
    assert result.text == (
        f'a: {{{{ with $s0 := secret "{PREFIX}/redis-url" }}}}'
        '{{ printf "pg://a%%2Fb%%20c%%2Bd:%s@h/100%%25?x=5"'
        ' ($s0.Data.data.value | urlquery | replaceAll "+" "%20")'
        r' | printf "%+q" | replaceAll "<" "\\x3c" }}{{ end }}'
        "\n"
    )


def test_url_without_secrets_is_plain_text() -> None:
    source = 'a: {{ url("http://{}:{}/", setting("h"), 80) }}\n'
    assert compile_source(source, h="::1").text == 'a: "http://%3A%3A1:80/"\n'


def test_settings_may_be_concatenated_and_filtered() -> None:
    source = 'a: {{ "http://" ~ setting("h") | lower ~ "/" }}\n'
    assert compile_source(source, h="HOST").preview == 'a: "http://host/"\n'


def test_file_ends_with_a_newline() -> None:
    assert compile_source("a: 1").text == "a: 1\n"
    assert compile_source("").text == "\n"


def test_number_that_is_not_finite_is_rejected() -> None:
    with pytest.raises(TemplateRejected, match=r"^app\.yaml\.j2:1: .* the number nan"):
        compile_source("a: {{ setting('n') }}\n", n=float("nan"))


@pytest.mark.parametrize(
    "value", ['!!bool {{ secret("redis-url") }}', '!!int ""', "!!timestamp x", "2020-13-45"]
)
def test_value_that_yaml_cannot_convert_is_rejected(value: str) -> None:
    with pytest.raises(TemplateRejected, match=r"^app\.yaml\.j2:1: .*invalid YAML"):
        compile_source(f"a: {value}\n")


def test_unreadable_file_is_rejected_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml.j2"
    with pytest.raises(TemplateRejected, match="cannot be read: No such file"):
        compile_file(path, TemplateContext(scope=SCOPE, secrets=[], settings={}))
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(TemplateRejected, match="it is not UTF-8"):
        compile_file(path, TemplateContext(scope=SCOPE, secrets=[], settings={}))


def test_template_of_the_store_compiles_and_needs_four_secrets() -> None:
    secrets = ["database-url", "redis-url", "jwt-secret", "smtp-password"]
    settings: dict[str, Scalar] = {
        "smtp-host": "localhost",
        "smtp-port": 25,
        "smtp-username": "store",
    }
    result = compile_file(
        STORE_TEMPLATE, TemplateContext(scope=SCOPE, secrets=secrets, settings=settings)
    )
    assert [need.path for need in result.needs] == sorted(f"{PREFIX}/{name}" for name in secrets)
    document: Any = result.format.read(result.preview)
    assert document["smtp"]["port"] == 25
    assert len(document["jwt"]["secret"]) >= 32


def name_of(file_format: Format) -> str:
    return file_format.name


@pytest.mark.parametrize("file_format", ALL_FORMATS, ids=name_of)
@given(text=TEXT)
def test_quoted_text_parses_to_the_same_text(file_format: Format, text: str) -> None:
    opened = {
        "YAML": ("a: ", "\n"),
        "JSON": ('{"a": ', "}\n"),
        "TOML": ("a = ", "\n"),
    }
    before, after = opened.get(file_format.name, ("a=", "\n"))
    assert file_format.read(f"{before}{file_format.quote(text)}{after}") == {"a": text}


@pytest.mark.parametrize("file_format", [formats.YAML, formats.JSON, formats.TOML], ids=name_of)
def test_quoted_text_never_contains_no_value(file_format: Format) -> None:
    assert "<no value>" not in file_format.quote("<no value>")


@given(text=TEXT)
def test_hcl_string_is_one_line_without_interpolation(text: str) -> None:
    quoted = quoted_hcl(text)
    assert "\n" not in quoted
    assert "$" not in quoted
    assert json.loads(quoted) == text


def test_path_that_is_not_unicode_is_rejected_for_hcl() -> None:
    with pytest.raises(ConfigurationError, match=r"not Unicode"):
        quoted_hcl(Path("/a/\udcff"))


@pytest.mark.parametrize(
    "expression",
    [
        'secrets("database/creds/gaara-store-dev")',
        'secret("../../database/creds/gaara-store-dev")',
        'secret("/database/creds/gaara-store-dev")',
        'lease("gaara-store-dev")',
        'pkiCert("pki/issue/x")',
        'file("/etc/passwd")',
        'writeToFile("/tmp/x", "", "", "", "")',
        'plugin("id")',
        'env("HOME")',
        'sprig_env("HOME")',
        'sprig_getHostByName("example.com")',
    ],
)
def test_template_can_neither_lease_nor_read_a_file(expression: str) -> None:
    with pytest.raises(TemplateRejected, match=r"app\.yaml\.j2:1: "):
        compile_source(f"key: {{{{ {expression} }}}}\n")


def test_agent_configuration_contains_every_safeguard() -> None:
    delivery = DeliveredFile(Path("/a/t.ctmpl"), Path("/a/staging/t"), Path("/a/t"), "m:C")
    text = config_file.render_agent_config(
        AgentSettings(
            scope=SCOPE,
            vault_addr="https://vault:8200",
            vault_cacert=Path("/a/ca.pem"),
            login=AppRoleAutoAuth(Path("/a/role-id"), Path("/a/secret-id")),
            files=(delivery.rendered,),
            render_interval=30,
        )
    )
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert lines >= {
        'ca_cert = "/a/ca.pem"',
        "num_retries = 5",
        "remove_secret_id_file_after_reading = true",
        'secret_id_response_wrapping_path = "auth/approle/role/gaara-store-dev/secret-id"',
        "exit_on_retry_failure = true",
        'static_secret_render_interval = "30s"',
        "error_on_missing_key = true",
        'perms = "0600"',
        "backup = false",
    }
    blocks = re.findall(r"^(\w+)(?: \S+)? \{", text, re.MULTILINE)
    assert blocks == ["vault", "auto_auth", "template_config", "template"]  # no cache, no sink
    assert "sink" not in text
    assert "wrap_ttl" not in text
    assert "exec" not in text


def test_adopted_secret_needs_its_value_and_its_database_user() -> None:
    result = compile_text(
        'url: {{ secret("database-url") }}\n',
        "app.yaml.j2",
        TemplateContext(
            scope=SCOPE, secrets=["database-url"], settings={}, adopted=["database-url"]
        ),
    )
    creds = "database/static-creds/gaara-store-dev-database-url"
    assert result.needs == (Need(creds, "read"), Need(f"{PREFIX}/database-url", "read"))
    assert result.text == (
        f'url: {{{{ with $s0 := secret "{PREFIX}/database-url" }}}}'
        f'{{{{ with $u0 := secret "{creds}" }}}}'
        "{{ $s0.Data.data.template"
        ' | replaceAll "{username}" ($u0.Data.username | urlquery | replaceAll "+" "%20")'
        ' | replaceAll "{password}" ($u0.Data.password | urlquery | replaceAll "+" "%20")'
        r' | printf "%+q" | replaceAll "<" "\\x3c" }}{{ end }}{{ end }}'
        "\n"
    )
