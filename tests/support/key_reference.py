"""Tables of the keys of each file of a declaration, in docs/reference, from their JSON Schemas.

``python -m tests.support.key_reference`` writes the tables again. A section has a heading, which is
the path of its keys, then text that is written by hand, and the table. Text below a table is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML

from vault.declare.file_kind import Kind
from vault.declare.schema import json_schema
from vault.declare.schema.base import WITHOUT

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"
COMMAND: Final = ".venv/bin/python -m tests.support.key_reference"
#: Kind of file → the page that has its keys, and the heading of those at its top.
PLACES: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.SERVICE: ("Service_File.md", "Keys of a service's file"),
    Kind.ENVIRONMENT: ("Environment_File.md", "Keys of an environment's file"),
    Kind.POLICY_TESTS: ("Other_Files.md", "Keys of tests of policies"),
    Kind.ANOMALIES: ("Other_Files.md", "Keys of `anomalies.yaml`"),
    Kind.MONITORING: ("Other_Files.md", "Keys of `monitoring.yaml`"),
    Kind.ROLLOUT: ("Other_Files.md", "Keys of `rollout.yaml`"),
    Kind.MIGRATION: ("Other_Files.md", "Keys of a migration's plan"),
}
#: Kind of file → the file with what a team's own leaves out.
BUILT_IN: Final[Mapping[Kind, str]] = {
    Kind.ANOMALIES: "vault/audit/anomalies/rules.yaml",
    Kind.ROLLOUT: "vault/rollout/rules.yaml",
}
#: Characters of a default, beyond which the table names its file.
MAX_DEFAULT: Final = 60
_HEAD: Final = "| key | what it is | default |\n|---|---|---|\n"
_ENTRY: Final = "<name>"
Keys: TypeAlias = tuple[str, ...]
#: What a description has in quotes, a list, a mapping or an address.
_QUOTED: Final = re.compile(r"((?<![\w'])'[^']+'(?!\w)|\[[^\]]*\]|\{[^}]*\}|https?://[^\s,;\]]+)")
#: Begins of what is expected of most names and texts, which each page says once.
_COMMON: Final = ("lower-case words joined by '-'", "the exact ")


@dataclass(frozen=True)
class Section:
    """The keys of one mapping, which may be at several places of a file.

    Attributes:
        heading: Its paths, or the heading of the keys at the top of the file.
        paths: Its paths without marks of variants, as keys from the top of the file.
        schema: Its JSON Schema.

    """

    heading: str
    paths: tuple[Keys, ...]
    schema: Mapping[str, Any]


def read_page(name: str) -> str:
    """Return the text of the page *name*."""
    return (REFERENCE / name).read_text(encoding="utf-8")


def examples(kind: Kind) -> list[str]:
    """Return the files of *kind* that its page has as examples, the first one with most keys."""
    first = rf"# yaml-language-server: \$schema=\S*/{json_schema.file_name(kind)}\n"
    page = read_page(PLACES[kind][0])
    return re.findall(rf"^```yaml\n({first}.*?)^```", page, re.MULTILINE | re.DOTALL)


def render(name: str) -> str:
    """Return the page *name* with the current keys of each kind of file that it has."""
    text = read_page(name)
    for kind, (page, heading) in PLACES.items():
        if page == name:
            before, rest = text.split(f"### {heading}\n")
            old, mark, after = rest.partition("\n## ")
            text = before + _render_kind(kind, f"### {heading}\n{old}") + mark + after
    return text


def _render_kind(kind: Kind, old: str) -> str:
    """Return the sections of *kind*, with the text by hand that the *old* ones have."""
    parts = re.split(r"^### (.+)\n", old, flags=re.MULTILINE)[1:]
    texts = {
        heading: f"\n{body}".partition("\n|")[0].strip()
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }
    found = sections(kind)
    anchors = {id(each.schema): anchor(each.heading) for each in found}
    return "\n".join(
        f"### {each.heading}\n\n"
        f"{texts.get(each.heading) or each.schema['description'].replace('``', '`')}\n\n"
        f"{_HEAD}{''.join(_rows(kind, each, anchors))}"
        for each in found
    )


def sections(kind: Kind) -> list[Section]:
    """Return the sections of *kind*: one for each mapping, in the order of their first places."""
    root = _schema(kind)
    places: dict[int, tuple[list[str], list[Keys], Mapping[str, Any]]]
    places = {id(root): ([PLACES[kind][1]], [()], root)}
    for title, path, schema in _walk(kind, root, ()):
        titles, paths, _ = places.setdefault(id(schema), ([], [], schema))
        titles.append(title)
        paths.append(path)
    return [
        Section(", ".join(dict.fromkeys(titles)), tuple(paths), schema)
        for titles, paths, schema in places.values()
    ]


@cache
def _schema(kind: Kind) -> Any:
    return json.loads(json_schema.render(kind))


def _walk(
    kind: Kind, schema: Mapping[str, Any], path: Keys
) -> Iterator[tuple[str, Keys, Mapping[str, Any]]]:
    """Yield the title, the path and the schema of each mapping below *path*, in their order."""
    keys = {key: list(_mappings(kind, value)) for key, value in schema["properties"].items()}
    first, *others = keys.values()
    if others and first and all(each == first for each in others):
        keys = {_ENTRY: first}  # fixed names of entries with the same keys
    for key, found in keys.items():
        for step, mark, below in found:
            here = (*path, key, *step)
            yield f"`{'.'.join(here)}`{mark}", here, below
            yield from _walk(kind, below, here)


def _mappings(
    kind: Kind, value: Mapping[str, Any]
) -> Iterator[tuple[Keys, str, Mapping[str, Any]]]:
    """Yield each mapping with keys in *value*: the step to it, its mark in a title, its schema."""
    for key, entry, mark in (("additionalProperties", [_ENTRY], ""), ("items", [], ", each entry")):
        if isinstance(value.get(key), Mapping):
            for further, variant, schema in _mappings(kind, value[key]):
                yield (*entry, *further), mark + variant, schema
    if "$ref" in value:
        schema = _schema(kind)["$defs"][value["$ref"].rpartition("/")[2]]
        if schema["properties"]:
            yield (), "", schema
    for variant in value.get("oneOf", ()) or value.get("anyOf", ()):
        for step, _, schema in _mappings(kind, variant):
            yield step, f" with {_variant(schema)}", schema


def _variant(schema: Mapping[str, Any]) -> str:
    """Return the key by which a reader knows one of several mappings."""
    keys = schema["properties"].items()
    known = (f"`{key}: {value['const']}`" for key, value in keys if "const" in value)
    return next(known, f"`{schema['required'][0]}`")


def anchor(heading: str) -> str:
    """Return the anchor of *heading* on the repository's web page."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _rows(kind: Kind, section: Section, anchors: Mapping[int, str]) -> Iterator[str]:
    required = section.schema.get("required", ())
    keys = section.schema["properties"].items()
    for key, value in sorted(keys, key=lambda item: item[0] not in required):
        below = next((schema for *_, schema in _mappings(kind, value)), None)
        name = f"[`{key}`](#{anchors[id(below)]})" if below else f"`{key}`"
        what, _, default = value["description"].partition(WITHOUT)
        what = _to_markdown("; ".join([what, *_limits(value, what)]))
        yield f"| {name} | {what} | {_default(kind, section, key, default)} |\n"


def _limits(value: Mapping[str, Any], what: str) -> Iterator[str]:
    """Yield what *value* must be, as far as its description *what* does not say it."""
    inner = value.get("additionalProperties") or value.get("items") or value
    inner = inner["anyOf"][0] if "anyOf" in inner else inner
    names, message = _message(value.get("propertyNames", {})), _message(inner)
    if names:
        yield f"each name{' and value' * (names == message)}: {names}"
    if span := re.fullmatch(r"a duration (from \S+ to \S+), in s, m, h or d", message):
        yield span[1]
    elif message.partition(",")[0] not in what and message != names:
        yield message if inner is value else f"each: {message}"
    if "maximum" in inner and str(inner["maximum"]) not in what:
        yield f"from {inner['minimum']} to {inner['maximum']:,}"
    if [each for each in inner.get("enum", ()) if str(each) not in what]:
        yield f"one of {', '.join(inner['enum'])}"


def _message(value: Mapping[str, Any]) -> str:
    """Return what is expected of *value*, empty for what each page says of all names and texts."""
    message = str(value.get("errorMessage", "")).removeprefix("expected ")
    return "" if message == "text" or message.startswith(_COMMON) else message


def _default(kind: Kind, section: Section, key: str, described: str) -> str:
    """Return the cell with the default of *key*, or that it is required."""
    schema, value = section.schema, section.schema["properties"][key]
    if key in schema.get("required", ()):
        return "required"
    if key in schema.get("then", {}).get("required", ()):
        return f"required without `{schema['if']['not']['required'][0]}`"
    if built_in := _built_in(kind, section.paths, key):
        return built_in
    if "default" in value and not described:
        return _code(json.dumps(value["default"]).strip('"'))
    return _to_markdown(described or "none")


def _built_in(kind: Kind, paths: tuple[Keys, ...], key: str) -> str:
    """Return the cell with the built-in value of *key*, empty if there is none."""
    if kind not in BUILT_IN:
        return ""
    data: Any = YAML(typ="safe", pure=True).load((ROOT / BUILT_IN[kind]).read_bytes())
    found = []
    for path in paths:
        entry = data
        for step in (*path, key):
            entry = entry.get(step) if isinstance(entry, Mapping) else None
        if entry is not None and not isinstance(entry, Mapping):
            found.append(json.dumps(entry).strip('"').replace('\\"', '"'))
    if not found:
        return ""
    if found == ["[]"]:
        return "none"
    is_short = len(set(found)) == 1 and len(found[0]) <= MAX_DEFAULT
    return _code(found[0]) if is_short else "in the built-in file"


def _to_markdown(text: str) -> str:
    """Return *text* for a cell, with what it quotes as code."""
    parts = _QUOTED.split(text)
    return "".join(
        _code(part.strip("'")) if number % 2 else re.sub(r"([|*<])", r"\\\1", part)
        for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    """Return *text* as code of a cell. No way to escape ``|`` in backticks is the same for all."""
    if "|" not in text:
        return f"`{text}`"
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;")):
        text = text.replace(character, entity)
    return f"<code>{text}</code>"


def main() -> None:
    """Write the tables of each page again."""
    for name in sorted({page for page, _ in PLACES.values()}):
        text = render(name)
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
