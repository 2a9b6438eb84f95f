"""Fixtures of the pytest plugin, used by a separate project that has installed the SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers.deployment import require_images

PROJECT = """
from app_integration import decrypt_field, encrypt_field, get_secret
from app_integration.testing import Fault

def test_cached_secret_is_served_during_an_outage(vault):
    vault.put("jwt-secret", "signing key")
    assert get_secret("jwt-secret") == "signing key"
    with vault.fault(Fault.SEALED):
        vault.advance(400)
        assert get_secret("jwt-secret") == "signing key"

def test_real_server_returns_the_same(real_vault):
    real_vault.put("jwt-secret", "signing key")
    assert get_secret("jwt-secret") == "signing key"
    token = encrypt_field("a@b.c", context={"user_id": 7})
    assert decrypt_field(token, context={"user_id": 7}) == "a@b.c"

def test_each_test_starts_without_secrets(vault):
    assert get_secret("jwt-secret", default=None) is None
"""

COMPARISONS = """
import dataclasses
from typing import NamedTuple
import pytest
from app_integration import Secret

SECRET = Secret("invented-password")

@dataclasses.dataclass
class Login:
    password: str

@dataclasses.dataclass(slots=True, kw_only=True)
class Slotted:
    password: str

class Pair(NamedTuple):
    password: str

def test_equal():
    assert SECRET == "other"

def test_equal_reversed():
    assert "other" == SECRET

def test_absent():
    assert "invented" not in SECRET

@pytest.mark.parametrize("kind", [Login, Slotted, Pair])
def test_attribute(kind):
    assert kind(password=SECRET) == kind(password="other")

@pytest.mark.parametrize("kind", [list, tuple, set])
def test_element(kind):
    assert kind([SECRET]) == kind(["other"])
"""


def test_failed_assertion_shows_no_value_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(COMPARISONS, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-vv", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "9 failed" in run.stdout, run.stdout[-4000:] + run.stderr[-2000:]
    shown = run.stdout.replace('SECRET = Secret("invented-password")', "")
    assert "invented-password" not in shown


@pytest.mark.parametrize(
    "runtime", ["embedded", pytest.param("docker", marks=pytest.mark.requires("docker"))]
)
def test_separate_project_uses_the_fixtures(tmp_path: Path, runtime: str) -> None:
    if runtime == "docker":
        require_images()
    (tmp_path / "test_shop.py").write_text(PROJECT, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "STRONGROOM_RUNTIME": runtime},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in run.stdout, run.stdout[-4000:] + run.stderr[-2000:]
