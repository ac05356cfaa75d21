"""Contacts and the escalation path."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError
from cdcproof.pipeline.contacts import Contacts
from cdcproof.pipeline.model import load, parse

ROOT = Path(__file__).parents[2]
PATH = {
    "emergency": "CTO",
    "escalation": [
        {"after_minutes": 0, "who": "On-call engineer", "reach": "PagerDuty cdc-pipeline-alerts"},
        {"after_minutes": 30, "who": "Team lead"},
        {"after_minutes": 60, "who": "Infrastructure manager"},
    ],
}


def test_the_path_is_printed_with_its_times_and_marks_who_is_due() -> None:
    assert Contacts.model_validate(PATH).escalation_lines(45) == [
        "0-30 min: level 1, On-call engineer (PagerDuty cdc-pipeline-alerts)",
        "30-60 min: level 2, Team lead (now)",
        "60+ min: level 3, Infrastructure manager",
        "data loss or security incident, at once: CTO",
    ]


@pytest.mark.parametrize(("minutes", "who"), [(0, "On-call engineer"), (29.9, "On-call engineer"), (30, "Team lead"), (600, "Infrastructure manager")])  # fmt: skip
def test_a_level_is_due_from_its_minute_on(minutes: float, who: str) -> None:
    level = Contacts.model_validate(PATH).level_at(minutes)
    assert level is not None
    assert level.who == who


def test_nobody_is_due_before_the_first_level_and_without_a_path() -> None:
    late = Contacts.model_validate({"escalation": [{"after_minutes": 5, "who": "Somebody"}]})
    assert late.level_at(1) is None
    assert Contacts().level_at(100) is None
    assert Contacts().escalation_lines(100) == []


def test_a_path_that_does_not_rise_is_an_error_with_file_and_key() -> None:
    text = (ROOT / "fixtures/pipelines/warehouse.toml").read_text().replace("after_minutes = 60", "after_minutes = 30")
    with pytest.raises(ConfigError, match=r"w\.toml:\d+: contacts: each level of escalation must have a greater"):
        parse(text, Path("w.toml"))


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures/pipelines").glob("*.toml")), ids=lambda path: path.stem)
def test_every_fixture_has_the_runbooks_contacts(path: Path) -> None:
    assert "contacts" in tomllib.loads(path.read_text())
    contacts = load(path).contacts
    assert contacts.teams["Database Operations"] == "#database-ops in Slack"
    assert [(level.after_minutes, level.who) for level in contacts.escalation] == [
        (0, "On-call engineer"),
        (30, "Team lead"),
        (60, "Infrastructure manager"),
    ]
    assert contacts.emergency == "CTO"
