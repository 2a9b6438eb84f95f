"""Names in the documents exist: paths, targets, commands, variables, tests, limits, figures."""

from __future__ import annotations

import ast
import html
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

import pytest
import typer

from app_integration.settings import DEVELOPMENT_LIMITS, Limits
from console.cli import app
from console.command_table import ALIASES
from local.layout import Layout
from local.ports import MonitoringPorts, Ports, setting
from tests.support.key_reference import anchor
from tests.support.packages import PACKAGES

ROOT: Final = Path(__file__).parents[3]
#: Documents that a reader of the repository expects at its root.
AT_ROOT: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DOCS: Final = sorted(
    [*(ROOT / name for name in AT_ROOT), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/[!a]*/*.md")]
)
DECISIONS: Final = [*ROOT.glob("docs/adr/[0-9]*.md")]
REFERENCE: Final = ROOT / "docs" / "reference"
PITFALLS: Final = ROOT / "docs" / "pitfalls.md"

#: How many entries a group of the index has at most, and how many words a page.
ENTRIES: Final = 12
WORDS: Final = 2500
#: Pages that are looked up, not read: a table of each, a specification, a history.
LONG: Final = {
    *("CHANGELOG.md", "CONTRIBUTING.md", "Security.md", "Threat_Model.md", "pitfalls.md"),
    *("encryption-format.md", "Environment_File.md", "Other_Files.md"),
}

PICTURES: Final = sorted((ROOT / "docs" / "pictures").iterdir())
PICTURE_BYTES: Final = 1_200_000
TERMINALS: Final = [path for path in PICTURES if path.suffix == ".svg"]
#: How many words tell at least what a picture shows.
ALT_WORDS: Final = 8

#: Top-level folders. Text in code that begins with one of them and a slash is a path.
TOP: Final = (*PACKAGES, "docs", "tests", "requirements", ".ci", ".github")
#: Variables of other software, and one that stands for the variable of any secret.
FOREIGN: Final = {"BAO_ADDR", "BAO_TOKEN", "SMTP_PASSWORD"}


def find_all(pattern: str, text: str) -> list[str]:
    return sorted(set(re.findall(pattern, text, re.MULTILINE)))


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@cache
def code(document: Path) -> str:
    """Return the code blocks and code spans of *document*."""
    text = text_of(document)
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", prose)])


@cache
def sources() -> str:
    """Return the text of the project's code, without tests."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found += (ROOT / "console" / "scaffold" / "repository_files").iterdir()
    found.append(ROOT / "docker-compose.yml")
    found += [ROOT / "Makefile", *(ROOT / ".ci").iterdir(), ROOT / "tests" / "conftest.py"]
    found += (ROOT / ".github" / "workflows").iterdir()
    return "\n".join(path.read_text(encoding="utf-8") for path in found)


@pytest.fixture(params=DOCS, ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_documents_are_found() -> None:
    assert len(DOCS) >= 5


def test_every_path_of_the_repository_exists(document: Path) -> None:
    tops = "|".join(map(re.escape, TOP))
    named = find_all(rf"(?<![\w./-])((?:{tops})/[\w./*<>-]*)", code(document))
    missing = [path for path in named if not _exists(re.sub(r"<[\w-]+>", "*", path))]
    assert missing == []


def _exists(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/.").replace("/*.", "/**/*.")))


def test_every_link_has_a_target(document: Path) -> None:
    broken = []
    for target in find_all(r"\]\((?!https?:)([^)\s]+)\)", text_of(document)):
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        if not linked.exists() or (anchor and anchor not in _anchors(linked)):
            broken.append(target)
    assert broken == []


def test_every_picture_exists_with_a_text_for_who_does_not_see_it(document: Path) -> None:
    shown = _pictures(document)
    assert [name for name, _ in shown if not (document.parent / name).is_file()] == []
    assert [name for name, alt in shown if alt is not None and len(alt.split()) < ALT_WORDS] == []


def test_every_picture_is_in_a_document() -> None:
    shown = {(page.parent / name).resolve() for page in DOCS for name, _ in _pictures(page)}
    assert TERMINALS
    assert [path.name for path in PICTURES if path not in shown] == []
    assert sum(path.stat().st_size for path in PICTURES) < PICTURE_BYTES


def _pictures(document: Path) -> list[tuple[str, str | None]]:
    """Return the path and text of each picture. The one for the dark theme has none of its own."""
    text = text_of(document)
    tags = re.findall(r"<(?:img|source) [^>]*>", text)
    shown = [(_attribute("src", tag), _attribute("alt", tag)) for tag in tags if "<img" in tag]
    dark = [(_attribute("srcset", tag), None) for tag in tags if "<source" in tag]
    return [
        *shown,
        *dark,
        *((path, alt) for alt, path in re.findall(r"!\[([^]]*)\]\((\S+)\)", text)),
    ]


def _attribute(name: str, tag: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found[1] if found else ""


def test_each_level_of_the_navigation_is_short() -> None:
    groups = text_of(ROOT / "docs" / "README.md").split("\n## ")[1:]
    levels = {"the site": 2 + len(groups)}  # the README and the index itself come first
    for group in groups:
        entries, *inner = group.split("\n### ")
        levels[entries.partition("\n")[0]] = entries.count("\n- ") + len(inner)
        levels |= {each.partition("\n")[0]: each.count("\n- ") for each in inner}
    assert [name for name, count in levels.items() if count > ENTRIES] == []


def test_no_guide_is_longer_than_one_sitting() -> None:
    long = {path.name for path in DOCS if len(text_of(path).split()) > WORDS}
    assert long == LONG
    assert len(text_of(ROOT / "README.md").split()) <= 900


def test_every_decision_is_in_the_index_with_its_title() -> None:
    index = text_of(ROOT / "docs" / "adr" / "README.md")
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+?) \| .+ \|$", index, re.MULTILINE)
    found = [(path.name, text_of(path).partition("\n")[0]) for path in sorted(DECISIONS)]
    assert [(file, f"# {number}. {title}") for number, file, title in sorted(rows)] == found


def _anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings of *document*."""
    headings = re.findall(r"^#+ (.*)$", text_of(document), re.MULTILINE)
    return set(map(anchor, headings))


def test_every_make_target_exists(document: Path) -> None:
    targets = find_all(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    called = r"(?:^ *|&& |\bif |\buntil |! )make (?:[A-Z]+=\S+ )*([a-z][a-z-]+)"
    named = find_all(called, code(document))
    assert [target for target in named if target not in targets] == []


def test_every_command_exists_with_its_options(document: Path) -> None:
    # An earlier entry has the name of its time.
    _check_commands(code(document), ALIASES if document.name == "CHANGELOG.md" else {})


def _check_commands(text: str, former: Mapping[str, str] = MappingProxyType({})) -> None:
    """Assert that each command in *text* exists. *former* has the present name of earlier ones."""
    commands = _commands()
    for word, rest in re.findall(r"\bstrongroom ([a-z][a-z-]+)((?:.*\\\n)*.*)", text):
        name = former.get(word, word).partition(" ")[0]
        assert name in commands, f"strongroom {name}"
        unknown = [
            option for option in find_all(r"(--[a-z-]+)", rest) if option not in commands[name]
        ]
        assert unknown == [], f"strongroom {name}"


@pytest.mark.parametrize("picture", TERMINALS, ids=lambda path: path.stem)
def test_every_command_in_a_terminals_picture_exists_with_its_options(picture: Path) -> None:
    lines = _terminal_lines(picture)
    assert lines[0].startswith(f"~/parcels $ strongroom {picture.stem}")
    _check_commands("\n".join(lines).replace("\n--", " --"))  # an option on the next line


def _terminal_lines(picture: Path) -> list[str]:
    """Return the lines of a terminal, of which each colour is an element of its own."""
    lines: dict[float, str] = {}
    for height, text in re.findall(
        r'<text [^>]* x="[^>]* y="([\d.]+)"[^>]*>([^<]*)', text_of(picture)
    ):
        lines[float(height)] = lines.get(float(height), "") + html.unescape(text)
    return [line.replace("\xa0", " ").rstrip() for _, line in sorted(lines.items())]


@cache
def _commands() -> dict[str, set[str]]:
    """Return command → its options, with those of its subcommands."""
    group = typer.main.get_command(app)
    found: dict[str, set[str]] = {}
    for name, command in getattr(group, "commands", {}).items():
        parts = [command, *getattr(command, "commands", {}).values()]
        found[name] = {option for part in parts for each in part.params for option in each.opts}
    return found


def test_every_variable_exists_in_the_code(document: Path) -> None:
    known = _constants() | _port_variables() | FOREIGN
    named = find_all(r"\b((?:STRONGROOM|VAULT|BAO|SECRETS|SMTP)_[A-Z0-9_]+)\b", code(document))
    assert [name for name in named if name not in known] == []


@cache
def _constants() -> set[str]:
    """Return the names in capitals of the project's code."""
    return set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", sources()))


def test_every_variable_of_the_code_is_documented() -> None:
    used = set(find_all(r"\b(STRONGROOM_[A-Z_]*[A-Z])\b", sources())) | _port_variables()
    variables = "".join(map(text_of, REFERENCE.glob("*.md")))
    assert sorted(name for name in used if f"`{name}`" not in variables) == []


def _port_variables() -> set[str]:
    return {setting(field.name) for kind in (Ports, MonitoringPorts) for field in fields(kind)}


def test_every_port_is_documented_with_its_default() -> None:
    operator = text_of(REFERENCE / "Operator.md")
    rows = dict(
        re.findall(r"^\| `(STRONGROOM_\w+_PORT)` \|[^|]*\| (\d+) \|", operator, re.MULTILINE)
    )
    ports = Ports().by_name() | MonitoringPorts().by_name()
    assert rows == {setting(name): str(port) for name, port in ports.items()}


def test_every_limit_is_documented_with_its_default() -> None:
    section = text_of(REFERENCE / "Limits.md").partition("## Limits")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", section, re.MULTILINE))
    assert rows == {field.name: str(field.default) for field in fields(Limits)}
    for field in fields(Limits):
        value = getattr(DEVELOPMENT_LIMITS, field.name)
        if value != field.default:
            assert re.search(rf"^\| `{field.name}` .*\bin dev {value}\b", section, re.MULTILINE)


def test_every_place_of_a_deployment_is_documented() -> None:
    section = text_of(REFERENCE / "Operator.md").partition("## Files of a local deployment")[2]
    layout = Layout(Path("root"))
    places = [getattr(layout, name) for name, kind in vars(Layout).items() if _is_place(kind)]
    names = {place.relative_to(layout.root).parts[0] for place in places if place != layout.root}
    assert sorted(name for name in names if f"`.strongroom/{name}" not in section) == []


def _is_place(kind: object) -> bool:
    return isinstance(kind, property) and kind.fget is not None and "tuple" not in _returns(kind)


def _returns(kind: property) -> str:
    return str(getattr(kind.fget, "__annotations__", {}).get("return"))


def test_every_named_test_exists(document: Path) -> None:
    named = find_all(r"(tests/[\w/]+\.py::[\w:]+)", text_of(document))
    missing = []
    for reference in named:
        path, _, name = reference.partition("::")
        if not (ROOT / path).exists() or name not in _tests(ROOT / path):
            missing.append(reference)
    assert missing == []


def test_every_pitfall_has_a_test_or_a_reason() -> None:
    """Check that each heading counts its rows, and each row names tests or gives a reason."""
    sections = re.split(r"^## ", text_of(PITFALLS), flags=re.MULTILINE)[1:]
    assert len(sections) >= 10
    wrong = []
    for section in sections:
        heading, *lines = section.splitlines()
        rows = [_cells(line) for line in lines if re.match(r"\| \d+ \|", line)]
        if [row[0] for row in rows] != [str(n) for n in range(1, int(heading.split(": ")[1]) + 1)]:
            wrong.append(f"{heading}: {len(rows)} rows")
        wrong += [f"{heading} {row[0]}" for row in rows if not _is_answered(row)]
    assert wrong == []


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


def _is_answered(row: list[str]) -> bool:
    """Return whether *row* has the remedy and its tests, or the reason why it needs none."""
    if len(row) != len(("number", "pitfall", "remedy", "tests")) or not all(row):
        return False
    if row[3] == "-":
        return bool(re.match(r"not ours: \w+", row[2]))
    return bool(re.fullmatch(r"`tests/[\w/]+\.py::[\w:]+`(, `tests/[\w/]+\.py::[\w:]+`)*", row[3]))


@cache
def _tests(path: Path) -> set[str]:
    return set(_functions(ast.parse(path.read_text(encoding="utf-8")).body, ""))


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}"
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}::")


def test_figures_in_security_md_match_the_tests() -> None:
    text = "".join(
        text_of(ROOT / f"docs/{name}.md") for name in ("Security", "Redaction", "Rights")
    )
    faults = ROOT / "tests" / "faults"
    declarations = len(list(faults.glob("declare/*/expect")))
    templates = len(list(faults.glob("templates/*.expected")))
    dotenv = len(list(faults.glob("dotenv/*.expected")))
    total = declarations + templates + dotenv
    vectors = _module("tests/unit/encryption/test_vectors.py")
    cells = _module("tests/integration/test_policies_on_server.py").CELLS
    allowed = sum(cell[-1] for cell in cells)
    hostile = _module("tests/integration/test_agent_delivery.py").HOSTILE
    wire = _module("tests/unit/session/test_names_on_the_wire.py")
    machine = _module("tests/unit/secret_store/test_state_machine.py")
    figures = (
        f"{len(wire.HOSTILE)} hostile names",
        f"{wire.FUZZED} names drawn",
        f"{machine.SEQUENCES} sequences of up to {machine.STEPS} events",
        f"{total} files with one fault each",
        f"{declarations} declarations, {templates} templates, {dotenv} `.env` files",
        f"{len(vectors.TOKENS)} tokens, {len(vectors.REFUSED)} refusals",
        f"{len(cells)} cells judged by the server",
        f"{allowed} allowed, {len(cells) - allowed} denied",
        f"{len(hostile)} hostile strings",
    )
    assert [figure for figure in figures if figure not in text] == []


def _module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"figures_{Path(path).stem}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
