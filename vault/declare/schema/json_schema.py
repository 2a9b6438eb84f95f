"""JSON Schemas of what a team declares in YAML, for editors and other tools.

A schema describes one file by itself. What depends on several keys or on another file is checked by
:mod:`vault.declare.load` alone. The schema accepts every file that the models accept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from vault.declare import durations
from vault.declare.file_kind import Kind
from vault.declare.schema.anomalies import AnomalyRules
from vault.declare.schema.migration import MigrationPlan
from vault.declare.schema.model import EnvironmentDeclaration, ServiceDeclaration
from vault.declare.schema.monitoring import Monitoring
from vault.declare.schema.policy_tests import PolicyTests
from vault.declare.schema.rollout import RolloutFile

#: Kind of file → its model.
MODELS: Final[Mapping[Kind, type[BaseModel]]] = {
    Kind.SERVICE: ServiceDeclaration,
    Kind.ENVIRONMENT: EnvironmentDeclaration,
    Kind.POLICY_TESTS: PolicyTests,
    Kind.ANOMALIES: AnomalyRules,
    Kind.MONITORING: Monitoring,
    Kind.ROLLOUT: RolloutFile,
    Kind.MIGRATION: MigrationPlan,
}


def file_name(kind: Kind) -> str:
    """Return the name of the file with the schema of a kind of file."""
    return f"{kind}.schema.json"


def editor_comment(kind: Kind, folder: str = "../schema") -> str:
    """Return the first line of a file, which tells an editor where its schema is.

    Args:
        kind: Kind of the file.
        folder: Folder of the schemas, relative to that of the file.

    """
    return f"# yaml-language-server: $schema={folder}/{file_name(kind)}"


@cache  # because it takes a twentieth of a second, and a repository has the schemas of all kinds
def render(kind: Kind) -> str:
    """Return the JSON Schema (draft 2020-12) of a kind of file, as JSON text."""
    schema = MODELS[kind].model_json_schema(schema_generator=Generator)
    document = {"$schema": Generator.schema_dialect, **schema}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class Generator(GenerateJsonSchema):
    """Generator of the schema of a file, where pydantic's own describes the value in the model."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Return the schema of a mapping, whose keys pydantic does not restrict to their type."""
        generated = super().dict_schema(schema)
        generated.pop("patternProperties", None)
        keys = self.generate_inner(schema["keys_schema"])
        values = self.generate_inner(schema["values_schema"])
        return generated | {"propertyNames": keys, "additionalProperties": values}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema of the value, because a file leaves the key out for None."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema with the default value as a file would have it, if it is a scalar."""
        generated = super().default_schema(schema)
        default: Any = generated.pop("default", None)
        if isinstance(default, int) and generated.get("type") == "string":
            default = durations.render(default)
        is_shown = default != "" and isinstance(default, str | int)
        return generated | {"default": default} if is_shown else generated

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Return the schema without ``discriminator``, a keyword of OpenAPI."""
        generated = super().tagged_union_schema(schema)
        generated.pop("discriminator", None)
        return generated

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema without the name of the class, which no user of the file knows."""
        generated = super().model_schema(schema)
        generated.pop("title", None)
        return generated

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's method)
        """Return False, because a title would repeat the key."""
        return False
