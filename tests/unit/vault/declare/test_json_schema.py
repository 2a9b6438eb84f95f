"""JSON Schemas of declaration files: each accepts what the models accept, and hardly more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import ValidationError, create_model
from ruamel.yaml import YAML

from tests.support import key_reference
from vault.declare import durations
from vault.declare.file_kind import Kind
from vault.declare.schema import (
    adopted_secret,
    anomalies,
    aws_monitoring,
    database,
    field_types,
    json_schema,
    list_types,
    logins,
    monitoring,
    policy_tests,
    rollout,
    server,
)
from vault.declare.schema.base import Section
from vault.declare.schema.secret_sources import Derived

PARSER: Final = YAML(typ="safe", pure=True)
#: Files on the pages of the reference, in which every key of every model occurs.
FILES: Final = {
    kind: [PARSER.load(text) for text in key_reference.examples(kind)]
    for kind in json_schema.MODELS
}
OWN_DATABASE, SHARED_DATABASE = (each["database"] for each in FILES[Kind.SERVICE])
SCHEMAS: Final = {kind: json.loads(json_schema.render(kind)) for kind in json_schema.MODELS}
VALIDATORS: Final = {kind: Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}

#: Field type → examples that it accepts, that it rejects, and that it rejects for a reason that a
#: schema cannot express.
EXAMPLES: Final[Mapping[str, tuple[list[Any], list[Any], list[Any]]]] = {
    "AbsolutePath": (["/", "/run/a b"], ["", "run", "/a\tb", 7], ["/a\u2028b"]),
    "AnyPath": (["src", "../a b", "/srv"], ["", "  ", "~", "~/a", "a\tb", 7], ["a\u2028b"]),
    "Access": (["readonly"], ["writer", "", 7], []),
    "ApiPath": (
        [
            "sys/mounts",
            "{kv}/metadata/shop/{environment}/",
            "auth/{approle}/role/a.b_{environment}",
        ],
        ["", "/sys", "a//b", "../a", "a/*", "a/+/b", "{env}/a", "{kv", "a b", 7],
        ["v1/sys/mounts"],
    ),
    "Address": (
        ["https://vault:8200", "HTTP://127.0.0.1", "https://[::1]:1//"],
        ["vault:8200", "https://", "https://u@h", "https://h/v1", "https://h?q", "https://h#f", 7],
        ["https://h:0", "https://h:99999", "https://[::1"],
    ),
    "ClaimValues": (
        ["push", ["push", "pull_request"]],
        [[], ["a", "a"], "a*", ["a*"], 7],
        ["a\u00a0"],
    ),
    "DatabaseEndpoint": (
        ["localhost:1", "[::1]:5432", "10.0.0.1:65535"],
        ["host", "host:", ":5432", "host:0", "host:65536", "host:99999", "u:p@host:5432", 5432],
        [],
    ),
    "DatabaseName": (["shop", "a_1", "a" * 63], ["", "Shop", "1a", "a-b", "a" * 64, 7], []),
    "DatabaseUser": (["_shop", "a-b", "a" * 63], ["", "Shop App", "1a", "a" * 64], []),
    "EachOnce": ([[], ["one"], ["one", "two"]], ["one", ["one", "one"], [7]], []),
    "Distinct": ([["a"], ["a", "b"]], [[], ["a", "a"], "a", [1]], []),
    "EnvironmentName": (
        ["dev", "prod-eu", "a" * 20],
        ["", "Prod", "qa_1", "development", "production", "a" * 21, 7],
        [],
    ),
    "Exact": (["a", " a b ", "ä"], ["", "  ", "a*", "a\nb", 7], ["a\u00a0", "\u2028"]),
    "ImportString": (
        ["a:B", "a.b:C_1", "módulo.b:C"],
        ["a", "a/b:C", "a.b", ":C", "1a:C", "a:b:c", "a b:C", 7],
        ["²:C", "a:\u2028"],
    ),
    "KubernetesName": (["a", "a.b-1"], ["", "*", "-a", "a-", "A", 7], []),
    "AlertName": (["Own1"], ["", "1a", "a-b", 7], []),
    "Email": (["a@b"], ["", "a", "a@b@c", "a b@c", 7], []),
    "HostPort": (["localhost:1", "[::1]:5432"], ["host", "host:0", "host:65536", "u@h:1", 7], []),
    "Interval": (["1s", "5m"], ["", "15", 15, "1h"], ["0s", "6m"]),
    "Label": (["colour", "_a1"], ["", "1a", "a-b", 7], ["service", "__address__"]),
    "AlarmThreshold": ([0, 1_000_000], [-1, 1_000_001, 0.5, "5"], []),
    "LogGroupName": (["a", "/aws/trail-1_#.a", "a" * 512], ["", "a b", "a:b", "a" * 513, 7], []),
    "Retention": (["1d", "90d", "24h"], ["", "90", 90, "99999d"], ["91d", "36h", "23h"]),
    "RoleName": (["shop-task", "a_+=,.@-1", "a" * 64], ["", "a/b", "a*", "a" * 65, 7], []),
    "BucketName": (["a-1.b", "a" * 63], ["", "A", "ab-", "arn:aws:s3:::a", "a" * 64, 7], []),
    "TopicArn": (
        ["arn:aws:sns:eu-central-1:123456789012:t", "arn:aws-cn:sns:cn-north-1:123456789012:T_1-a"],
        ["", "on-call", "arn:aws:sns:eu-central-1:1:t", "arn:aws:sns:eu-1:123456789012:t.fifo", 7],
        [],
    ),
    "Anchor": (["a-b", "ü"], ["", "a b", "#a", "{{a}}", 7], []),
    "Pending": (["0s", "7d"], ["", "5", 5, "8 d"], ["8d"]),
    "RunbookUrl": (["https://a/b", "docs/Runbook.md"], ["", "a b", 7], ["a#b"]),
    "Threshold": ([0, 0.5, "7d"], [[], {}, True, -1], ["", "7"]),
    "UrlPath": (["/", "/metrics"], ["", "metrics", "/a b", 7], []),
    "AuditKeepTime": (["1d", "3650d"], ["3 months", "10000d"], ["23h", "3651d"]),
    "AnnouncementTime": (["65m", "365d"], ["", "1", 1, "1000d"], ["64m", "366d"]),
    "RetireTime": (["1s", "365d"], ["", "1", 1, "1000d"], ["366d"]),
    "Clock": (["00:00", "07:30", "24:00"], ["7:00", "07:10", "24:15", "", 7], []),
    "Count": ([1, 1_000_000], [0, -1, 1_000_001, 1.5, "1"], []),
    "Factor": ([2, 1000], [1, 1001, "2"], []),
    "Learning": (["1h", "90d"], ["", "1", 1, "100d"], ["59m", "91d"]),
    "NamedPattern": (
        ["{apply}", "*-{environment}-starter", "ü *'", "a" * 200],
        ["", "{", "a}", "{aply}", "a\nb", "a" * 201, 7],
        [],
    ),
    "Network": (["10.0.0.0/8", "::1/128"], ["", "10.0.0.0", "a b", "1/1/1", 7], ["10.0.0.1/8"]),
    "Pattern": (["a", "*{x}ü'", "a" * 200], ["", "a\nb", "a" * 201, 7], []),
    "Skip": ([[], ["{apply}", "{plan}"]], [[""], ["{aply}"], "a", [1]], []),
    "Span": (["1m", "1h"], ["1", "100h"], ["59s", "2h"]),
    "Baseline": (["1m", "1d"], ["1", "100d"], ["59s", "2d"]),
    "HistogramName": (
        ["http_seconds", 'a:b{c="d"}'],
        ["", "a b", "1a", "a{}", 'a{b="c}', 7],
        ["a_bucket", 'a_sum{b="c"}'],
    ),
    "Increase": ([1, 1000], [0, 1001, "20"], []),
    "Percent": ([1, 100], [0, 101, 0.5, "5"], []),
    "Selector": (
        ["up", 'a:b{c="d", e=~"f|g\\\\.h"}'],
        ["", "a b", "{a='b'}", "a{}", 'a{b="c}', 'a{b="c"}[1m]', 7],
        [],
    ),
    "Targets": (
        ['colour="{colour}"', 'job="{service}", pod=~"{colour}-.*"'],
        ["", "{colour}", 'colour="{colour}', 7],
        ['colour="green"', 'c="{color}"', 'c="{colour}",d="{job}"'],
    ),
    "Window": (["10s", "1h"], ["1", "100h"], ["9s", "2h"]),
    "Text": (["a", "ü" * 400], ["", "a\nb", "a" * 401, 7], []),
    "TimeZone": (["UTC", "Europe/Berlin"], ["", "/etc", "a b", 7], ["Europe/Berlni", "Europe"]),
    "Until": (["2027-01-31"], ["", "2027-1-31", "soon", 7], ["2027-02-30"]),
    "Command": ([["a"], ["a", "--b c"]], [[], [""], "a", [1], ["a\0"]], []),
    "LeaseTime": (["1s", "90d", "1h30m", "00001s"], ["", "1", "1 h", "90", 1, "100d"], ["91d"]),
    "MountPath": (
        ["kv", "team/kv", "system/x", "authx"],
        ["", "kv/", "/kv", "Kv", "sys", "auth/x", "identity", "cubbyhole/a", "a" * 257, 7],
        [],
    ),
    "Owner": (["shop-team", "a.b@c.de"], ["", "The Team", "a@b", "shop_team", 7], []),
    "HealthTime": (["1s", "10m"], ["1d", "90", "1000m"], ["0s", "11m"]),
    "PageUrl": (
        ["http://127.0.0.1:8080/health", "https://[::1]/a?b#c", "http://h"],
        ["127.0.0.1:80", "ftp://h", "http://u:p@h/", "http://h/a b", "http:///a", "none", 7],
        ["http://h:99999/", "http://h:0/", "http://[h/"],
    ),
    "PartName": (["pii", "a-1"], ["", "PII", "a_b", "a--b", "a" * 41, 7], []),
    "PemFile": (["ca.pem", "A_1.b-c.pem"], ["", ".pem", "../ca.pem", "ca.crt", 7], []),
    "QuotaTime": (["1s", "1h", "60m"], ["1d", "1", "10000s"], ["0s", "61m", "2h"]),
    "ReloadWay": (
        ["none", "restart", "SIGHUP", "SIGUSR2", "http://127.0.0.1:9000/-/reload"],
        ["", "None", "HUP", "SIGKILL", "http://u@h/", "reload", 7],
        ["http://h:99999/"],
    ),
    "RenderInterval": (["1s", "24h"], ["24", "100h"], ["0s", "2d"]),
    "RotationPeriod": (["1h", "3650d"], ["3 months", "10000d"], ["59m", "3651d"]),
    "SecretIdTime": (["1m", "365d"], ["1w", "1000d"], ["59s", "366d"]),
    "SecretName": (["a", "a/b-c_d", "a" * 256], ["", "A", "a//b", "../a", "-a", "a" * 257, 7], []),
    "ServiceDatabase": (
        [OWN_DATABASE, SHARED_DATABASE],
        [{}, {"of": "shop"}, SHARED_DATABASE | {"engine": "postgresql"}, "shop"],
        [],
    ),
    "ServiceName": (["shop", "a" * 40], ["", "Shop", "a_b", "a" * 41, 7], []),
    "SettingValue": (["", "text", 7, True], [["a"], {}], []),
    "TemplateName": (
        ["app.yaml.j2", "A_1-b.env.j2"],
        ["app.yaml", "app.ini.j2", "../app.yaml.j2", ".env.j2", 7],
        [],
    ),
    "TokenPeriod": (["1m", "32d"], ["1", "100d"], ["59s", "33d"]),
    "Url": (
        ["https://h", "http://h:1/a@b?q=1", "https://h?q"],
        ["h", "file:///etc/keys.json", "https://u@h/a", "https://h/#f", "ftp://h", 7],
        ["https://h:0/a"],
    ),
    "WrapTime": (["1s", "1h"], ["2d", "90"], ["0s", "2h"]),
}
MODULES: Final = (
    adopted_secret,
    anomalies,
    aws_monitoring,
    database,
    field_types,
    logins,
    monitoring,
    policy_tests,
    rollout,
    server,
)
TYPES: Final = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if get_origin(value) is Annotated and not name.startswith("_")
} | {"Distinct": list_types.Distinct[str], "EachOnce": list_types.EachOnce[str]}
#: Types whose schema accepts exactly what the type accepts.
EXACT: Final = sorted(name for name, (*_, beyond) in EXAMPLES.items() if not beyond)


def as_model_input(data: Any) -> Any:
    """Return *data* with tuples for lists, as the parser of the files returns it."""
    if isinstance(data, dict):
        return {key: as_model_input(value) for key, value in data.items()}
    return tuple(map(as_model_input, data)) if isinstance(data, list) else data


@cache
def field_type(name: str) -> FieldType:
    return FieldType(TYPES[name])


class FieldType:
    """A field type, by its validator and by its schema."""

    def __init__(self, annotation: Any) -> None:
        self._model = create_model("File", __base__=Section, value=(annotation, ...))
        schema = self._model.model_json_schema(schema_generator=json_schema.Generator)
        self._schema = Draft202012Validator(schema)
        self.pattern = schema["properties"]["value"].get("pattern")

    def accepts(self, value: Any) -> bool:
        try:
            self._model.model_validate({"value": as_model_input(value)})
        except ValidationError:
            return False
        return True

    def schema_accepts(self, value: Any) -> bool:
        return bool(self._schema.is_valid({"value": value}))


def test_every_field_type_has_examples() -> None:
    assert sorted(TYPES) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_schema_of_a_field_type_accepts_what_the_type_accepts(name: str) -> None:
    accepted, rejected, beyond = EXAMPLES[name]
    each = field_type(name)
    assert [value for value in accepted if not each.accepts(value)] == []
    assert [value for value in accepted if not each.schema_accepts(value)] == []
    assert [value for value in rejected + beyond if each.accepts(value)] == []
    assert [value for value in rejected if each.schema_accepts(value)] == []
    assert [value for value in beyond if not each.schema_accepts(value)] == []


#: Without line breaks: in Python, and not in ECMAScript, '$' matches before one at the end.
TEXT: Final = st.text(alphabet="aZé019-_/.:@{}[]*+ dhms#?\t\u00a0", max_size=12)


@cache  # because each example would build and label it again
def texts_near(name: str) -> st.SearchStrategy[list[str]]:
    """Generate texts of any kind, those of a field type's pattern, and those that nearly fit it."""
    pattern = field_type(name).pattern
    known = st.from_regex(pattern, fullmatch=True) if pattern else TEXT
    text = TEXT | known | st.builds(str.__add__, known, TEXT)
    # Several in an example, because an example takes longer than its texts.
    return st.lists(text, min_size=12, max_size=12)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"Distinct", "ServiceDatabase"}))
@given(data=st.data())
@settings(max_examples=6)  # the first is of empty texts
def test_no_text_that_a_field_type_accepts_is_an_error_of_its_schema(
    name: str, data: st.DataObject
) -> None:
    each = field_type(name)
    for value in data.draw(texts_near(name)):
        accepted, valid = each.accepts(value), each.schema_accepts(value)
        assert valid or not accepted, value
        assert valid == accepted or name not in EXACT or "\n" in value, value


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container in *data* with each of its keys or indexes."""
    if isinstance(data, dict | list):
        for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
            yield data, key
            yield from _places(value)


LEAVES: Final = [container[key] for data in FILES.values() for container, key in _places(data)]
OTHERS: Final[list[Any]] = [None, "", 0, -1, 1.5, True, [], {}, "x", "1h", "Ä b", "a\n", 10**7]
#: Built once, because each example would build and label them again.
VALUES: Final = st.sampled_from(LEAVES + OTHERS)
EDITS: Final = st.sampled_from(["delete", "replace", "copy"])


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
@settings(max_examples=180)
def test_no_file_that_a_model_accepts_is_an_error_of_its_schema(
    kind: Kind, data: st.DataObject
) -> None:
    changed = json.loads(json.dumps(data.draw(st.sampled_from(FILES[kind]))))
    for _ in range(data.draw(st.integers(1, 2))):  # of more, a model accepts hardly one
        places = list(_places(changed)) or [({"x": 0}, "x")]
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        match data.draw(EDITS):
            case "delete":
                del container[key]
            case "replace":
                container[key] = json.loads(json.dumps(data.draw(VALUES)))
            case _ if isinstance(container, dict):
                container[data.draw(TEXT)] = container[key]
            case _:
                container.append(container[key])
    try:
        json_schema.MODELS[kind].model_validate(as_model_input(changed))
    except ValidationError:
        return
    assert [error.message for error in VALIDATORS[kind].iter_errors(_without_nulls(changed))] == []


def _without_nulls(data: Any) -> Any:
    """Return *data* without keys of None, which a model accepts and the parser of files rejects."""
    if isinstance(data, dict):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    return [_without_nulls(value) for value in data] if isinstance(data, list) else data


@pytest.mark.parametrize("kind", FILES)
def test_schema_accepts_the_examples_which_have_every_key(kind: Kind) -> None:
    for file in FILES[kind]:
        json_schema.MODELS[kind].model_validate(as_model_input(file))
        assert [error.message for error in VALIDATORS[kind].iter_errors(file)] == []
    keys = {key for _, key in _places(FILES[kind])}
    declared = {name for each in _objects(SCHEMAS[kind]) for name in each["properties"]}
    assert declared <= keys


def _objects(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [schema, *schema["$defs"].values()]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_describes_every_key_and_rejects_unknown_ones(kind: Kind) -> None:
    for each in _objects(SCHEMAS[kind]):
        assert each["additionalProperties"] is False
        assert all(field["description"] for field in each["properties"].values())


@pytest.mark.parametrize("kind", SCHEMAS)
def test_entry_in_a_description_is_valid(kind: Kind) -> None:
    found = 0
    for each in _objects(SCHEMAS[kind]):
        for field in each["properties"].values():
            for sample in re.findall(r"entries like '(.+?)'(?:[,; ]|$)", field["description"]):
                validator = Draft202012Validator({"$defs": SCHEMAS[kind]["$defs"], **field})
                assert list(validator.iter_errors(PARSER.load(f"{{{sample}}}"))) == [], sample
                found += 1
    assert found == json_schema.render(kind).count("entries like")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_is_valid_in_its_own_draft_and_in_that_of_older_editors(kind: Kind) -> None:
    assert SCHEMAS[kind]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMAS[kind])
    Draft7Validator.check_schema(SCHEMAS[kind])


@pytest.mark.parametrize("kind", SCHEMAS)
def test_patterns_mean_the_same_in_an_editor(kind: Kind) -> None:
    values = (container[key] for container, key in _places(SCHEMAS[kind]) if key == "pattern")
    found = {value for value in values if isinstance(value, str)}
    assert found
    # \s differs in invisible characters only.
    assert [text for text in found if re.search(r"\\[wWdDSbBAZ]|\(\?[^:!]", text)] == []


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.ENVIRONMENT])
def test_defaults_are_valid_in_a_file(kind: Kind) -> None:
    fields = [field for each in _objects(SCHEMAS[kind]) for field in each["properties"].values()]
    defaults = [(field, field["default"]) for field in fields if "default" in field]
    assert defaults
    for field, default in defaults:
        assert default != ""
        assert Draft202012Validator(field).is_valid(default), default


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_rejects_a_key_without_a_value_as_the_parser_does(kind: Kind) -> None:
    assert '"null"' not in json_schema.render(kind)


@pytest.mark.parametrize("key", ["tokens", "agent"])
def test_schema_requires_what_vault_needs_unless_the_environment_is_on_aws(key: str) -> None:
    on_vault, _, on_aws, _ = FILES[Kind.ENVIRONMENT]
    without = {name: value for name, value in on_vault.items() if name != key}
    validator = VALIDATORS[Kind.ENVIRONMENT]
    assert validator.is_valid(without | {"aws": on_aws["aws"]})
    assert [error.message for error in validator.iter_errors(without)] == [
        f"'{key}' is a required property"
    ]


def test_duration_default_is_text_as_in_a_file() -> None:
    person = SCHEMAS[Kind.ENVIRONMENT]["$defs"]["Person"]["properties"]
    assert (person["ttl"]["default"], person["max_ttl"]["default"]) == ("1h", "12h")


@pytest.mark.parametrize("longest", ["1s", "59m", "1h", "90d", "3650d"])
@given(amounts=st.tuples(*[st.integers(0, 4000)] * 4))
@settings(max_examples=60)
def test_duration_pattern_matches_every_duration_up_to_the_longest(
    longest: str, amounts: tuple[int, ...]
) -> None:
    text = "".join(f"{amount}{unit}" for amount, unit in zip(amounts, "dhms", strict=True))
    limit = durations.parse(longest)
    if durations.parse(text) <= limit:
        assert re.fullmatch(durations.pattern(limit), text)


@given(parts=st.lists(st.sampled_from(["{a}", "{b/c}", "{{", "}}", "{", "}", "x", "{A}", " "])))
@settings(max_examples=300)
def test_format_of_a_derived_secret_has_the_pattern_of_what_its_parser_accepts(
    parts: list[str],
) -> None:
    text = "".join(parts)
    schema = SCHEMAS[Kind.SERVICE]["$defs"]["Derived"]["properties"]["format"]
    try:
        Derived(source="derived", format=text)
    except ValidationError:
        assert not Draft202012Validator(schema).is_valid(text)
    else:
        assert Draft202012Validator(schema).is_valid(text)
