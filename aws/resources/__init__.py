"""Resources: the kinds of object on AWS that plan and apply manage."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from app_integration.aws.connection import AwsConnection
from aws.reader import AwsReader
from vault.reconcile.resources import ResourceOn

#: A managed object on AWS.
AwsResource: TypeAlias = ResourceOn[AwsReader, AwsConnection]


def policy_text(document: Any) -> str:
    """Return a policy document as text with lines, equal for equal documents."""
    return json.dumps(document, indent=2, sort_keys=True)
