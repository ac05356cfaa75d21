"""The record: one file for an incident, written by people and by this program in turns, and by several at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.secrets import known
from cdcproof.oncall import incident
from cdcproof.oncall.alert import Alert, find
from cdcproof.oncall.incident import DONE, OBSERVED, Records, open_incident, with_entry
from tests.core.test_bounded import sparse

BEGAN = datetime(2026, 11, 29, 6, 0, 5, tzinfo=UTC)
ALERT = find("ConnectorDown", {"connector": "odd sink", "task": "0"}, {})


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "incidents", tmp_path / "acts.log", "me@here")


def observe(records: Records, minutes: float, line: str, alert: Alert = ALERT) -> incident.Incident:
    now = BEGAN + timedelta(minutes=minutes)
    return records.observe(records.current(alert, "warehouse", now), now, [f"- {line}"])


def test_a_second_call_goes_on_with_the_same_record(records: Records) -> None:
    first, second = observe(records, 0, "first"), observe(records, 12, "second")

    assert first.path == second.path
    assert second.minutes(BEGAN + timedelta(minutes=12)) == 12
    assert second.path.name == "20261129_060005-ConnectorDown-odd_sink-0.md"
    assert second.path.read_text() == (
        "# Incident: ConnectorDown\n\n- pipeline: warehouse\n- labels: connector=odd sink, task=0\n"
        "- check: morning.2-connectors\n- started: 2026-11-29T06:00:05Z\n- resolved: not yet\n\n"
        "## Observed\n\n### 2026-11-29T06:00:05Z by me@here\n\n- first\n\n### 2026-11-29T06:12:05Z by me@here\n\n- second\n\n"
        "## Done\n\n## Resolved\n"
    )


def test_other_labels_are_another_incident_and_their_order_does_not_matter(records: Records) -> None:
    first = observe(records, 0, "x")
    other = observe(records, 1, "x", find("ConnectorDown", {"connector": "source"}, {}))
    same = observe(records, 2, "x", find("ConnectorDown", {"task": "0", "connector": "odd sink"}, {}))

    assert other.path != first.path
    assert same.path == first.path


def test_what_is_resolved_is_over_and_the_next_time_is_another_incident(records: Records) -> None:
    first = observe(records, 0, "x")
    records.add(ALERT, BEGAN + timedelta(minutes=45), done="restarted  it\nby hand")
    records.add(ALERT, BEGAN + timedelta(minutes=50), resolve=True, note="the relation was missing")

    text = first.path.read_text()
    assert "- resolved: 2026-11-29T06:50:05Z\n" in text
    assert "## Done\n\n- 2026-11-29T06:45:05Z me@here: restarted it by hand\n" in text
    assert text.endswith("## Resolved\n\n- 2026-11-29T06:50:05Z by me@here, after 50 min: the relation was missing\n")
    assert observe(records, 60, "again").path != first.path
    with pytest.raises(UsageError, match="No incident of ConnectorDown with the labels connector=else is open"):
        records.add(find("ConnectorDown", {"connector": "else"}, {}), BEGAN, resolve=True)


def test_what_people_write_into_it_stays(records: Records) -> None:
    path = observe(records, 0, "x").path
    text = path.read_text().replace("## Done\n", "## Done\n\nCalled the network team.\n\n### Why\n\nA cable.\n")
    path.write_text(text.replace("## Resolved\n", "## Lessons\n\nTwo cables.\n"))

    observe(records, 5, "y")
    records.add(ALERT, BEGAN + timedelta(minutes=6), done="plugged it in", resolve=True)

    after = path.read_text()
    for kept in ("Called the network team.", "### Why\n\nA cable.\n", "## Lessons\n\nTwo cables.\n"):
        assert kept in after
    done = after.partition("## Done")[2].partition("## Lessons")[0]
    assert "A cable." in done
    assert done.rstrip().endswith("plugged it in")
    assert after.rstrip().endswith("after 6 min")


def test_acts_since_it_began_are_in_it_once(records: Records, tmp_path: Path) -> None:
    (tmp_path / "acts.log").write_text(
        "2026-11-29T05:59:00Z remedy: before\n2026-11-29T06:01:00Z connectors: restart sink\nno line of ours\n"
    )
    observe(records, 0, "x")
    (tmp_path / "acts.log").open("a").write("2026-11-29T06:03:00Z connectors: restart sink: done\n")
    text = observe(records, 4, "y").path.read_text()

    assert "before" not in text
    assert text.count("- 2026-11-29T06:01:00Z connectors: restart sink\n") == 1
    assert text.count("- 2026-11-29T06:03:00Z connectors: restart sink: done\n") == 1
    assert text.index("## Done") < text.index("restart sink") < text.index("## Resolved")


def test_of_a_log_of_acts_that_has_grown_the_end_is_read(records: Records, tmp_path: Path) -> None:
    with sparse(tmp_path / "acts.log", 2**30).open("a") as log:
        log.write("\n2026-11-29T06:01:00Z connectors: restart sink\n")
    assert "- 2026-11-29T06:01:00Z connectors: restart sink\n" in observe(records, 0, "x").path.read_text()


def test_nothing_secret_is_written(records: Records) -> None:
    known(["canary secret"])
    alert = find("ConnectorDown", {"connector": "canary secret"}, {})
    observe(records, 0, "canary secret", alert)
    found = records.add(
        alert, BEGAN, done="used canary%20secret and password=hunter2", resolve=True, note="canary secret"
    )

    text = found.path.read_text()
    assert "canary" not in text
    assert "hunter2" not in text
    assert "- resolved: 2026" in text


def test_two_who_write_at_once_lose_nothing(records: Records) -> None:
    observe(records, 0, "x")
    threads = [threading.Thread(target=observe, args=(records, 1, f"line {number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [path] = records.folder.glob("*.md")
    assert sorted(line for line in path.read_text().splitlines() if "- line" in line) == [
        f"- line {n}" for n in range(8)
    ]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match="The incident's record cannot be written to"):
        observe(Records(tmp_path / "file" / "incidents", tmp_path / "acts.log", "me"), 0, "x")


def test_files_that_are_none_of_ours_are_passed_over(records: Records) -> None:
    records.folder.mkdir()
    (records.folder / "README.md").write_text("# Incidents of this team\n")
    (records.folder / "broken.md").write_bytes(b"\xff\xfe")
    (records.folder / "odd.md").write_text("# Incident: ConnectorDown\n- started: yesterday\n- resolved: not yet\n")

    assert open_incident(ALERT, records.folder) is None


def test_a_section_that_somebody_removed_is_made_anew() -> None:
    text = with_entry("# Incident: X\n\nwords\n", OBSERVED, ["- a"])
    assert text == "# Incident: X\n\nwords\n\n## Observed\n\n- a\n"
    assert with_entry(text, DONE, ["- b"]).endswith("## Observed\n\n- a\n\n## Done\n\n- b\n")
