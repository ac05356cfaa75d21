"""The published JSON Schema of a report."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    resources.files("cdcproof.reconcile").joinpath("report.schema.json").read_text(encoding="utf-8")
)


def validate(data: Any) -> None:
    """Raise `ValidationError` for what is no report."""
    import jsonschema  # takes two seconds to import: only a worker that validates pays for them

    validator = jsonschema.Draft202012Validator
    validator.check_schema(SCHEMA)
    validator(SCHEMA, format_checker=validator.FORMAT_CHECKER).validate(data)
