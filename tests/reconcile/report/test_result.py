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
    NotReadError,
    Report,
    Scrubbed,
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
    assert str(replace(CHANGED, columns=("name", "email"))) == "changed 1, NULL (name, email)"


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
        (('"ß"',), '"\\"ß\\""'),
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


NAME = "reconciliation_report_20260102_030405"


def test_a_reports_name_is_the_time_when_it_began_where_it_was_made(tmp_path: Path) -> None:
    made = replace(FULL, started_at="2026-01-02T03:04:05+11:00", run_id="0123456789")
    paths = [write(made, tmp_path) for _ in range(3)]
    assert [path.name for path in paths] == [f"{NAME}.json", f"{NAME}_2.json", f"{NAME}_3.json"]
    write_partial(made, tmp_path / "of a run")
    assert [path.name for path in (tmp_path / "of a run").iterdir()] == [f"{NAME}_01234567.partial"]


def test_a_report_is_laid_out_for_people_and_a_partial_one_for_speed(tmp_path: Path) -> None:
    made = _report(_table("straße", TableStatus.MATCH))
    text = write(made, tmp_path).read_text(encoding="utf-8")
    assert text.startswith('{\n  "run_id": "run",\n')
    assert text.endswith("}\n")
    assert '"table": "straße"' in text
    write_partial(made, tmp_path)
    (partial,) = tmp_path.glob("*.partial")
    assert partial.read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize("limit", ["bytes", "a quarter of them"])
def test_a_report_that_can_be_read_back_names_all_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """A character takes up to four bytes: whether it does is looked at only where it matters."""
    keys = tuple(KeyDifference("missing", {"id": "\u20ac" * 50}) for _ in range(30))
    made = replace(_report(TableResult("t", TableStatus.MISMATCH, 30, 0, differences=keys)), key_limit=7)
    path = write(made, tmp_path)
    size = len(path.read_bytes()) if limit == "bytes" else 4 * len(path.read_text(encoding="utf-8"))
    monkeypatch.setattr(result, "MOST_REPORT_BYTES", size)
    assert read(write(made, tmp_path)) == made

    monkeypatch.setattr(result, "MOST_REPORT_BYTES", len(path.read_bytes()) - 1)
    fewer = write(made, tmp_path)
    assert len(json.loads(fewer.read_text(encoding="utf-8"))["tables"][0]["differences"]) == 20
    assert json.loads(fewer.read_text(encoding="utf-8"))["key_limit"] == 7
    assert fewer.read_text(encoding="utf-8").startswith('{\n  "run_id"')


def test_a_report_that_cannot_be_read_says_neither_good_nor_bad(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.mkdir()
    with pytest.raises(NotReadError) as raised:
        read(path)
    assert raised.value.message == f"{path} cannot be read: it is no file."
    assert raised.value.remedy == "Let this account read the file, or move it away if it is no report of yours."


def test_a_report_that_is_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(FULL, tmp_path)
    monkeypatch.setattr(result, "MOST_REPORT_BYTES", 100)
    with pytest.raises(UnexpectedAnswerError, match=path.name):
        read(path)


def _changed(path: Path, **more: object) -> str:
    """Why the report of this file is refused with these parts in place of its own."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    with pytest.raises(UnexpectedAnswerError) as raised:
        read(path)
    assert not isinstance(raised.value, NotReadError)
    return raised.value.message.removeprefix(f"{path} is not a ")


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"version": 4}, "reconciliation report: format version 4, this program reads 1 to 3"),
        ({"version": 0}, "reconciliation report: format version 0, this program reads 1 to 3"),
        ({"started_at": "2026-01-02T03:04:05"}, "reconciliation report: started_at has no offset from UTC"),
        ({"finished_at": "2026-01-02T03:04:05"}, "reconciliation report: finished_at has no offset from UTC"),
        (
            {"summary": {"a": "MISMATCH"}},
            "reconciliation report: the summary {'a': 'MISMATCH'} disagrees with the tables {'a': 'MATCH'}",
        ),
    ],
)
def test_a_report_that_contradicts_itself_is_refused_with_the_reason(
    tmp_path: Path, parts: dict[str, object], why: str
) -> None:
    assert _changed(write(_report(_table("a", TableStatus.MATCH)), tmp_path), **parts) == why


def test_half_a_report_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"version": 3')
    with pytest.raises(UnexpectedAnswerError, match="is not a whole report: ") as raised:
        read(path)
    assert not isinstance(raised.value, NotReadError)


@pytest.mark.parametrize("oldest", [None, "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05"])
def test_the_oldest_proof_of_a_scrub_has_an_offset_or_is_none(tmp_path: Path, oldest: str | None) -> None:
    proven = Scrubbed(1, "the slot", 2, 3, 0, oldest, ("they were old",))
    path = write(_report(_table("a", TableStatus.MATCH, scrubbed=proven)), tmp_path)
    if oldest and not oldest.endswith("+00:00"):
        assert _changed(path) == "reconciliation report: oldest_proof_at of a has no offset from UTC"
    else:
        assert read(path).tables[0].scrubbed == proven


@pytest.mark.parametrize(
    ("control", "fates", "holds", "survivors"),
    [
        ("equal", ["caught", "not applicable"], True, ()),
        ("not planted", [], True, ()),
        ("different", ["caught"], False, ()),
        ("not read whole", ["caught"], False, ()),
        ("equal", ["caught", "survived"], False, ("mutant 1 (name, email)",)),
    ],
)
def test_a_self_proof_holds_where_every_mutant_was_caught_and_nothing_else(
    control: str, fates: list[str], holds: bool, survivors: tuple[str, ...]
) -> None:
    mutants = tuple(MutantResult(f"mutant {n}", fate, ("name", "email")) for n, fate in enumerate(fates))  # type: ignore[arg-type]
    proof = SelfProof(9, control, mutants)  # type: ignore[arg-type]
    assert (proof.holds, proof.survivors) == (holds, survivors)
    bare = SelfProof(9, "equal", (MutantResult("a row dropped", "survived"),))
    assert bare.survivors == ("a row dropped",)


@pytest.mark.parametrize(
    ("statuses", "complete", "everything"),
    [
        (["MATCH", "MISMATCH"], True, True),
        (["MATCH", "MISMATCH"], False, False),
        (["MATCH", "ERROR"], True, False),
        (["MATCH", "INCOMPLETE"], True, False),
        ([], True, False),
    ],
)
def test_a_report_looked_at_everything_where_each_table_is_known(
    statuses: list[str], complete: bool, everything: bool
) -> None:
    tables = [_table(f"t{n}", TableStatus(status)) for n, status in enumerate(statuses)]
    assert replace(_report(*tables), complete=complete).looked_at_everything is everything
