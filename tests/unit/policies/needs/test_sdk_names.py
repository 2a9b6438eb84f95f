"""Table of the SDK's names, compared with the signatures of the SDK itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import app_integration
from app_integration.integrations import celery, pydantic_settings, sqlalchemy
from app_integration.integrations.django.fields import EncryptedField
from app_integration.integrations.django.index_field import BlindIndexField
from app_integration.permissions import OPERATIONS
from policies.needs.sdk_names import COMMANDS, DJANGO, NAMES

#: Names that use no secret, key or role, or only one that a template names.
UNUSED = {"Secret", "close", "errors", "load_config", "redaction", "watch_config"}


def find(name: str) -> Callable[..., Any]:
    for place in (app_integration, sqlalchemy, celery, pydantic_settings):
        if hasattr(place, name):
            return getattr(place, name)  # type: ignore[no-any-return] # a public name
    return {"EncryptedField": EncryptedField, "BlindIndexField": BlindIndexField}[name]


def test_each_public_name_of_the_sdk_is_in_the_table() -> None:
    assert set(app_integration.__all__) - UNUSED <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_signature(name: str) -> None:
    signature = inspect.signature(find(name)).parameters
    positions = {each: place for place, each in enumerate(signature)}

    for parameter in NAMES[name]:
        for keyword in (parameter.keyword, *parameter.unless):
            assert not keyword or keyword in signature
        if parameter.position is not None:
            assert positions[parameter.keyword] == parameter.position
        if parameter.keyword and parameter.default:
            # The role of a connection is None in a signature, and ``default`` in its code.
            assert signature[parameter.keyword].default in {parameter.default, None}


def test_operations_are_those_of_the_sdk() -> None:
    tables = (*NAMES.values(), *DJANGO.values(), *COMMANDS.values())
    used = {each for table in tables for parameter in table for each in parameter.operations}

    assert used <= set(OPERATIONS)
