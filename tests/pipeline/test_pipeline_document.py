"""docs/PIPELINE.md has every key of the model with its default, and no other."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cdcproof.pipeline import contacts, notification
from cdcproof.pipeline import model as pipeline

TEXT = (Path(__file__).parents[2] / "docs" / "PIPELINE.md").read_text(encoding="utf-8")
MODELS: dict[str, type[BaseModel]] = {
    "source": pipeline.Database,
    "target": pipeline.Database,
    "connect": pipeline.ConnectService,
    "registry": pipeline.HttpService,
    "prometheus": pipeline.HttpService,
    "alertmanager": pipeline.HttpService,
    "pushgateway": pipeline.HttpService,
    "kafka": pipeline.Kafka,
    "exporters": pipeline.Exporters,
    "services": pipeline.Service,
    "connectors": pipeline.Connector,
    "tables": pipeline.Table,
    "thresholds": pipeline.Thresholds,
    "round_trip": pipeline.RoundTrip,
    "freshness": pipeline.Freshness,
    "paths": pipeline.Paths,
    "contacts": contacts.Contacts,
    "notify": notification.Notify,
    "backup": pipeline.Backup,
    "maintenance": pipeline.Maintenance,
    "recovery": pipeline.Recovery,
    "waivers": pipeline.Waiver,
}


def documented() -> dict[str, dict[str, str]]:
    """Section to key to default, as the document has them; a heading may name several sections."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", body, flags=re.MULTILINE)
        for section in re.findall(r"`\[+(\w+)\]+`", heading):
            found[section] = {key: default.strip("`") for key, default in rows}
    return found


def reported(default: Any) -> str:
    """A default as TOML has it."""
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return str(list(default)).replace("'", '"')
    return f'"{default}"' if isinstance(default, str | Path | date) else f"{default}"


def modelled(model: type[BaseModel]) -> dict[str, str]:
    return {
        field.alias or name: "required" if field.is_required() else reported(field.default)
        for name, field in model.model_fields.items()
    }


def test_every_section_of_the_model_is_documented() -> None:
    sections = {name for name in pipeline.Pipeline.model_fields if name not in ("name", "environment")}
    assert set(documented()) == sections == set(MODELS)


@pytest.mark.parametrize("section", MODELS)
def test_every_key_is_documented_with_its_default(section: str) -> None:
    assert documented()[section] == modelled(MODELS[section])


def test_required_sections_are_told_as_such() -> None:
    sentence = re.search(r"^Sections: (.*?) are required; (.*?) are not\.", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert sentence
    required, optional = (set(re.findall(r"\[(\w+)\]", part)) for part in sentence.groups())
    assert required == {n for n, f in pipeline.Pipeline.model_fields.items() if f.is_required()} - {"name"}
    assert optional == set(MODELS) - required


def test_every_metric_that_is_served_is_documented() -> None:
    source = "".join(path.read_text() for path in (Path(pipeline.__file__).parents[1] / "monitoring").rglob("*.py"))
    served = set(re.findall(r'(?:gauge|counter)\(\s*"(\w+)"', source))
    assert len(served) > 10
    assert [name for name in served if f"`{name}" not in TEXT] == []
