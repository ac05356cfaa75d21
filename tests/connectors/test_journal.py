from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdcproof.connectors.journal import Before, Change, Journal, Status
from cdcproof.core.errors import ConfigError, OperationError, UsageError
from cdcproof.core.secrets import scrub
from tests.pipelines import pipeline_of

OFFSET = {"partition": {"server": "w"}, "offset": {"lsn": 5}}
WAS = Before({"a": "1", "db.password": "journal-secret-1"}, "RUNNING", (OFFSET,))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "reports" / "connectors" / "p", "p")


def change(name: str = "c", status: Status = "started", undo: Status | None = None) -> Change:
    return Change(name, WAS, {"a": "2"}, status, undo=undo)


def test_it_lies_beside_the_reports_one_directory_for_each_pipeline() -> None:
    pipeline = pipeline_of("orders", paths={"reconciliation_reports": "/srv/reconciliation_reports"})
    assert Journal.of(pipeline).directory == Path("/srv/reports/connectors/test")


def test_what_is_kept_is_read_back_equal_and_only_by_its_owner(journal: Journal) -> None:
    kept = journal.begin("apply", (change(), Change("new", Before(), {"a": "1"})))
    assert journal.all() == (kept,)
    assert journal.path(kept).stat().st_mode & 0o777 == 0o600
    assert journal.directory.stat().st_mode & 0o777 == 0o700


def test_a_password_that_is_read_back_is_never_printed(journal: Journal) -> None:
    kept = journal.begin(
        "apply", (Change("c", Before({"x.password": "journal-secret-2"}), {"x.password": "journal-secret-3"}),)
    )
    assert "secret" not in repr(kept)
    journal.all()
    assert scrub("journal-secret-2 journal-secret-3") == "[redacted] [redacted]"


def test_the_last_one_that_was_not_undone_is_to_be_undone(journal: Journal) -> None:
    with pytest.raises(UsageError, match="No deployment of p is left"):
        journal.to_undo()
    first, second = journal.begin("apply", (change(),)), journal.begin("update", (change(),))
    assert journal.to_undo().id == second.id
    journal.save(replace(second, undone=True))
    assert journal.to_undo().id == first.id


@pytest.mark.parametrize(("made_on", "now"), [("K1", "K1"), ("", "K1"), ("K1", ""), ("K1", "K2")])
def test_a_deployment_on_another_cluster_is_not_undone_on_this_one(journal: Journal, made_on: str, now: str) -> None:
    kept = replace(journal, cluster=made_on).begin("apply", (change(),))
    here = replace(journal, cluster=now)
    if (made_on, now) != ("K1", "K2"):
        assert here.to_undo() == kept
        return
    with pytest.raises(UsageError, match="made on the Kafka cluster K1, and this Connect is of K2") as raised:
        here.to_undo()
    assert str(journal.path(kept)) in raised.value.remedy


def test_a_deployment_that_was_interrupted_can_be_undone_and_is_a_failure_when_the_next_begins(
    journal: Journal,
) -> None:
    journal.begin("apply", (change(),))
    assert journal.to_undo().changes[0].status == "started"
    assert journal.counts() == {"success": 0, "failure": 0}
    journal.begin("apply", (change(),))
    assert journal.all()[0].changes[0].why == "it was interrupted"
    assert journal.counts() == {"success": 0, "failure": 1}


def test_connectors_are_counted_and_their_undoing_as_well(journal: Journal) -> None:
    journal.save(
        journal.begin(
            "apply", (change("a", "success"), change("b", "failure", undo="success"), change("c", "unproved"))
        )
    )
    journal.save(journal.begin("apply", (change("a", "success"),)))
    assert journal.counts() == {"success": 3, "failure": 1}


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', '{"version": 1, "id": "x"}', "[]"])
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_counted(journal: Journal, text: str) -> None:
    path = journal.path(journal.begin("apply", (change(),)))
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        journal.counts()
    assert raised.value.path == path


def test_what_cannot_be_kept_is_an_error(journal: Journal) -> None:
    kept = journal.begin("apply", (change(),))
    journal.path(kept).unlink()
    journal.path(kept).mkdir()
    with pytest.raises(OperationError, match="cannot be written"):
        journal.save(kept)


def test_a_directory_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be read"):
        Journal(tmp_path / "file", "p").counts()
