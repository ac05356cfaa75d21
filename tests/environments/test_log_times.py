"""From when on a log is of interest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdcproof.environments.log_times import since

SIX = datetime(2026, 11, 29, 6, tzinfo=UTC).timestamp()
FORMS = {
    "log4j": "[2026-11-29 {}:00:00,123] INFO it (Class:1)",
    "Quarkus": "2026-11-29 {}:00:00,123 INFO  [class] (main) it",
    "PostgreSQL": "2026-11-29 {}:00:00.123 UTC [12] LOG:  it",
    "SQL Server": "2026-11-29 {}:00:00.12 spid5s      it",
    "Prometheus": "ts=2026-11-29T{}:00:00.123Z caller=main.go it",
    "Docker": "2026-11-29T{}:00:00.123456789Z it",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_log_begins_with_the_first_line_of_that_time(form: str) -> None:
    lines = [form.format(hour) for hour in ("04", "05", "06", "07")]
    lines.insert(2, "\tat java.lang.Thread.run: of the line before")

    assert since("\n".join(lines), SIX).splitlines() == lines[3:]


def test_an_offset_counts() -> None:
    assert since("2026-11-29T05:30:00+02:00 a\n2026-11-29T05:30:00-02:00 b", SIX) == "2026-11-29T05:30:00-02:00 b"


def test_a_log_without_times_is_kept_and_one_that_is_older_is_not() -> None:
    assert since("a\nb", SIX) == "a\nb"
    assert since("2026-11-28 06:00:00 a", SIX) == ""


def test_a_time_in_the_middle_of_a_line_and_one_that_cannot_be_is_none() -> None:
    text = "the file of long ago is called 2026-11-29 07:00:00\n2026-99-29 07:00:00 x"
    assert since(text, SIX) == text
