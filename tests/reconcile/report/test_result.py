"""The report file."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.identity import Identity
from cdcproof.reconcile.report import result
from cdcproof.reconcile.report.result import (
    KeyDifference,
    MutantResult,
    Report,
    SelfProof,
    TableResult,
    TableStatus,
    read,
    write,
    write_partial,
)
from tests.reconcile.schema import SCHEMA, validate


def test_a_report_that_could_not_be_read_back_names_fewer_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(KeyDifference("missing", {"id": str(number)}) for number in range(1000))
    table = TableResult("orders", TableStatus.MISMATCH, 1000, 0, missing_at_target=1000, differences=keys)
    made = replace(_report(table), key_limit=1000)
    assert read(write(made, tmp_path)) == made

    monkeypatch.setattr(result, "MOST_REPORT_BYTES", 20_000)
    short = read(write(made, tmp_path))

    assert (len(short.tables[0].differences), short.key_limit, short.tables[0].missing_at_target) == (20, 20, 1000)


def _report(*tables: TableResult) -> Report:
    when = "2026-01-02T03:04:05+00:00"
    return Report("run", when, when, "postgresql://h:1/s", "postgresql://h:2/t", "timer", tables)


def _table(name: str, status: TableStatus, **more: object) -> TableResult:
    return TableResult(name, status, 5, 5, **more)  # type: ignore[arg-type]


CHANGED = KeyDifference("changed", {"id": "1", "part": None}, ("name",), 1, 1)
MISSING = KeyDifference("missing", {}, source_rows=2, target_rows=1, row="0" * 32)
PROOF = SelfProof(
    9, "equal", (MutantResult("a row dropped", "caught"), MutantResult("letter case", "survived", ("name",)))
)
FULL = _report(
    _table(
        "a",
        TableStatus.MATCH,
        checksums_match=True,
        self_proof=PROOF,
        strategy="push-down",
        method="none needed",
        timings={"sums": 0.1},
    ),
    _table(
        "b",
        TableStatus.MISMATCH,
        example_keys=("changed 1",),
        missing_at_target=1,
        extra_at_target=0,
        changed=1,
        method="position",
        positions=("0/1A",),
        differences=(CHANGED, MISSING),
        lossy=("at (datetime2: …)",),
        unconfirmed=3,
    ),
    TableResult("c", TableStatus.ERROR, error="not reachable"),
)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = replace(
        FULL,
        calibration=("12 types agree",),
        key_limit=1_000,
        resumed="2026-01-02T02:00:00+00:00",
        pipeline="warehouse",
        source_identity=Identity("ab12", "shop", "2026-01-01T00:00:00", "", "no recovery fork"),
        target_identity=Identity("7", "dw", "16384", "00000001"),
    )
    path = write(report, tmp_path / "new" / "folder")
    assert read(path) == report
    validate(json.loads(path.read_text()))


def test_a_difference_is_told_for_people() -> None:
    assert str(CHANGED) == "changed 1, NULL (name)"
    assert str(MISSING) == f"missing row {'0' * 32}"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (("17",), "17"),
        (("a, b",), "a, b"),
        (("AB   ", "Straße"), "AB   , Straße"),
        ((None, "NULL"), 'NULL, "NULL"'),
        (("x, y", "z"), '"x, y", z'),
        (("x", "y, z"), 'x, "y, z"'),
        (("",), '""'),
        (("  ",), '"  "'),
        (('"x"',), '"\\"x\\""'),
        (("a\nb",), '"a\\nb"'),
        (("\x1b[31mred\x7f",), '"\\u001b[31mred\\u007f"'),
        (("\u202eevil",), '"\\u202eevil"'),
    ],
)
def test_a_key_that_could_not_be_seen_or_moves_the_screen_is_quoted(key: tuple[str | None, ...], told: str) -> None:
    named = dict(zip("ab", key, strict=False))
    assert str(KeyDifference("missing", named)) == f"missing {told}"


def test_a_report_of_version_1_is_still_read(tmp_path: Path) -> None:
    """As the program wrote it that knew no other."""
    path = tmp_path / "reconciliation_report_20260102_030405.json"
    table = {
        **dict.fromkeys(("checksums_match", "missing_at_target", "extra_at_target", "changed")),
        "table": "a",
        "status": "MATCH",
        "source_rows": 5,
        "target_rows": 5,
        "example_keys": [],
        "not_compared": ["photo (xml: not compared)"],
        "error": "",
        "seconds": 1.5,
    }
    when = "2026-01-02T03:04:05+00:00"
    path.write_text(
        json.dumps(
            {
                "run_id": "r",
                "started_at": when,
                "finished_at": when,
                "source": "s",
                "target": "t",
                "method": "timer",
                "tables": [table],
                "complete": True,
                "version": 1,
                "summary": {"a": "MATCH"},
            }
        )
    )
    report = read(path)
    assert (report.version, report.complete, report.summary) == (1, True, {"a": "MATCH"})
    assert (report.tables[0].not_compared, report.tables[0].strategy) == (("photo (xml: not compared)",), "")


def test_what_is_written_is_what_the_schema_says(tmp_path: Path) -> None:
    from jsonschema import ValidationError  # see `validate`

    data = json.loads(write(FULL, tmp_path).read_text())
    validate(data)
    data["tables"][1]["differences"][0]["word"] = "odd"
    with pytest.raises(ValidationError, match="odd"):
        validate(data)


def test_the_schema_knows_every_field_and_no_other() -> None:
    properties = SCHEMA["properties"]
    assert set(properties) == {f.name for f in fields(Report)} == set(SCHEMA["required"])
    (_, identity) = SCHEMA["$defs"]["identity"]["oneOf"]
    assert set(identity["properties"]) == {f.name for f in fields(Identity)} == set(identity["required"])
    for name, model in (("table", TableResult), ("difference", KeyDifference)):
        definition = SCHEMA["$defs"][name]
        assert set(definition["properties"]) == {f.name for f in fields(model)} == set(definition["required"])


def test_a_partial_report_is_no_report_to_others_and_goes_when_the_run_ends(tmp_path: Path) -> None:
    write_partial(FULL, tmp_path)
    (partial,) = tmp_path.iterdir()
    data = json.loads(partial.read_text())
    validate(data)
    assert not data["complete"]
    assert partial.suffix == ".partial"
    assert write(FULL, tmp_path) == next(tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 1


def test_two_reports_of_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = (write(_report(_table("a", TableStatus.MATCH)), tmp_path) for _ in range(2))
    assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert first.name.startswith("reconciliation_report_20260102_") or first.name.startswith(
        "reconciliation_report_2026010"
    )


@pytest.mark.parametrize(
    ("statuses", "exit_status"),
    [
        (["MATCH", "MATCH"], 0),
        (["MATCH", "MISMATCH"], 1),
        (["ERROR", "MISMATCH"], 1),
        (["MATCH", "ERROR"], 3),
        (["MATCH", "INCOMPLETE"], 3),
        (["INCOMPLETE", "MISMATCH"], 1),
        ([], 3),
    ],
)
def test_the_exit_status_is_never_0_unless_all_match(statuses: list[str], exit_status: int) -> None:
    tables = [_table(f"t{i}", TableStatus(status)) for i, status in enumerate(statuses)]
    assert _report(*tables).exit_status == exit_status


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not written by this program (no version)"),
        ('{"rows": 5}', "not written by this program (no version)"),
        ('{"version": 3, "started_at": "2026-01-02T03:04:05+00:00"}', "'finished_at' is missing"),
    ],
)
def test_a_report_of_another_format_is_called_that(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "reconciliation_report_20260102_030405.json"
    path.write_text(text)
    with pytest.raises(UnexpectedAnswerError) as raised:
        read(path)
    assert raised.value.message == f"{path} is not a reconciliation report: {reason}"


def test_a_secret_in_a_drivers_message_is_not_written_and_numbers_stay_numbers(tmp_path: Path) -> None:
    secret = Secret("12345")
    table = TableResult("t", TableStatus.ERROR, 12345, 12345, error=f"login with {secret.reveal()} failed")
    data = json.loads(write(_report(table), tmp_path).read_text())
    assert data["tables"][0]["error"] == "login with [redacted] failed"
    assert data["tables"][0]["source_rows"] == 12345


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"a": "MATCH"', '"a": "MISMATCH"'),
        lambda text: text.replace('"version": 3', '"version": 99'),
        lambda _: "[]",
        lambda _: "",
    ],
)
def test_a_damaged_report_is_refused(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = write(_report(_table("a", TableStatus.MATCH)), tmp_path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UnexpectedAnswerError, match=path.name):
        read(path)
