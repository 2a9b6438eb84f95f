"""Documents filled with values: no value changes the structure, in any format."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version

from agent.compiler.errors import TemplateRejected
from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from app_integration.errors import ConfigRejected
from app_integration.names import Environment, Scope
from app_integration.rendering.document import Document, agrees
from app_integration.rendering.formats import format_of
from app_integration.rendering.skeleton import Reference, Skeleton, Slot

SCOPE: Final = Scope("parcels", Environment.PROD)
SECRETS: Final = ("first", "second")
#: Document of each format with two secrets, between literal text that a value could imitate.
TEMPLATES: Final = {
    "app.yaml": '# note\na: {{ secret("first") }}\nb:\n  - {{ secret("second") }}\n  - plain\n',
    "app.toml": 'a = {{ secret("first") }} # note\n[t]\nb = [{{ secret("second") }}, "plain"]\n',
    "app.json": '{"a": {{ secret("first") }}, "b": [{{ secret("second") }}, "plain"]}\n',
    "app.env": '# note\na={{ secret("first") }}\nb={{ secret("second") }}\n',
    "app.sh": 'export a={{ secret("first") }}\nb={{ secret("second") }}\n',
}
#: Before, a backslash escaped the closing quote when a later value was quoted too.
READS_LAST_BACKSLASH: Final = Version(version("python-dotenv")) >= Version("1.2.3")
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE: Final = (
    'a"\'\\\n\r\t# {{ secret("x") }} ${HOME} $(id) <no value> \u2028\u2029\x85\ufeff: &a *a'
)


def skeleton(file: str, source: str) -> Skeleton:
    compiled = compile_text(
        source, f"{file}.j2", TemplateContext(scope=SCOPE, secrets=SECRETS, settings={})
    )
    built = build_skeleton(compiled, SCOPE, f"templates/parcels/{file}.j2", file)
    read = Skeleton.parse(built.to_json().encode(), "skeleton")
    assert read == built
    return read


DOCUMENTS: Final = {file: Document(skeleton(file, text)) for file, text in TEMPLATES.items()}


def expected(file: str, first: str, second: str) -> Any:
    """Return the document that the template of *file* has with two values."""
    nested = [second, "plain"]
    return {
        "app.toml": {"a": first, "t": {"b": nested}},
        "app.env": {"a": first, "b": second},
        "app.sh": {"a": first, "b": second},
    }.get(file, {"a": first, "b": nested})


@pytest.mark.parametrize("file", TEMPLATES)
@given(TEXT, TEXT)
@example(HOSTILE, HOSTILE)
@example("\0", "plain")
@example("ends in a \\", "plain")
@example("strongroom-place-000001-of-a-value", "strongroom-place-000000-of-a-value")
def test_value_comes_back_in_its_place_and_nothing_else_changes(
    file: str, first: str, second: str
) -> None:
    document, values = DOCUMENTS[file], {"first": first, "second": second}
    if "\0" in first + second and not format_of(file).allows_nul:
        with pytest.raises(ConfigRejected, match="contains NUL"):
            document.fill(values)
        return
    if file == "app.env" and first.endswith("\\") and not READS_LAST_BACKSLASH:
        with pytest.raises(ConfigRejected, match="'first' cannot be written"):
            document.fill(values)
        return
    text = document.fill(values)
    assert format_of(file).parse(text) == expected(file, first, second)
    assert text.endswith("\n")


@given(TEXT)
def test_url_contains_the_value_percent_encoded(value: str) -> None:
    source = 'a: {{ url("redis://u%25:{}@h/0", secret("first")) }}\n'
    filled = Document(skeleton("app.yaml", source)).fill({"first": value})
    url = format_of("app.yaml").parse(filled)
    assert isinstance(url, dict)
    assert unquote(urlsplit(url["a"]).password or "") == value


def test_comments_and_order_of_the_template_stay() -> None:
    text = DOCUMENTS["app.yaml"].fill({"first": "one", "second": "two"})
    assert text == '# note\na: "one"\nb:\n  - "two"\n  - plain\n'


@pytest.mark.parametrize("file", TEMPLATES)
def test_value_that_is_not_unicode_names_line_and_secret(file: str) -> None:
    with pytest.raises(ConfigRejected) as caught:
        DOCUMENTS[file].fill({"first": "plain", "second": "canary-\ud800"})
    line = TEMPLATES[file][: TEMPLATES[file].index("second")].count("\n") + 1
    place = re.escape(f"templates/parcels/{file}.j2:{line}: the secret 'second' is not Unicode")
    assert re.match(place, str(caught.value))
    assert "canary" not in str(caught.value)


def test_value_that_a_quoting_error_lets_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document(skeleton("app.yaml", TEMPLATES["app.yaml"]))
    broken = format_of("app.yaml")
    monkeypatch.setattr(document, "_format", type(broken)(lambda text: f'"{text}"', broken.parse))
    with pytest.raises(ConfigRejected, match=r"app\.yaml\.j2:4: the secret 'second' cannot be"):
        document.fill({"first": "plain", "second": 'x"\n  - "y'})


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("app.sh", "# old: ", "\na='ok'\n"),
        ("app.env", "# old: ", "\na=ok\n"),
        ("app.yaml", "# old: ", "\na: ok\n"),
        ("app.toml", "# old: ", "\na = 1\n"),
        ("app.yaml", "", ": value\n"),
        ("app.json", "{", ": 1}\n"),
        ("app.yaml", "a: plain ", "\n"),
        ("app.yaml", "a: |\n  ", "\n"),
        ("app.sh", "a='ok'", "\n"),
    ],
)
def test_place_that_is_no_whole_value_is_refused(file: str, before: str, after: str) -> None:
    pieces = (before, Slot(2, (Reference("first"),)), after)
    with pytest.raises(ConfigRejected, match=r"a\.j2:2: a secret is written where app\."):
        Document(Skeleton(SCOPE, "a.j2", file, pieces))


@pytest.mark.parametrize(
    ("skeleton", "filled"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": "m"}, {"a": "m"}),
        ({"a": "x"}, {"a": "v", "b": "v"}),
        ({"m": "x"}, {"v": "x"}),
        (["m", "x"], ["v"]),
        ({"a": ["m"]}, {"a": "v"}),
        ({"a": "m", "b": "x"}, {"b": "x", "a": "v"}),
    ],
)
def test_documents_that_differ_otherwise_do_not_agree(skeleton: object, filled: object) -> None:
    assert not agrees(skeleton, filled, {"m": "v"})


def test_documents_that_differ_in_values_of_markers_agree() -> None:
    nan = float("nan")
    assert agrees({"a": ["m", 1, nan, None]}, {"a": ["v", 1, nan, None]}, {"m": "v"})


def test_template_with_a_rotated_database_user_is_refused_with_its_line() -> None:
    source = 'a: {{ secret("first") }}\nurl: {{ secret("second") }}\n'
    compiled = compile_text(
        source,
        "app.yaml.j2",
        TemplateContext(scope=SCOPE, secrets=SECRETS, settings={}, adopted=["second"]),
    )
    with pytest.raises(TemplateRejected, match=r"app\.yaml\.j2:2: secret 'second' has a database"):
        build_skeleton(compiled, SCOPE, "app.yaml.j2", "app.yaml")
