"""The monthly checks on observations of each kind, both ways."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Image
from cdcproof.core.errors import CouldNotLookError, UnexpectedAnswerError
from cdcproof.findings import Verdict
from cdcproof.observations.images.advisories import Advisories, Audited
from cdcproof.observations.images.images import Images, NewerImages, Running
from cdcproof.observations.weeks.performance import Average, Performance
from cdcproof.observations.weeks.recovery_drill import Drill, RecoveryDrill, read
from cdcproof.observations.weeks.two_weeks import STEP_SECONDS
from cdcproof.reporting.record import StepRecord
from checks.monthly import test_1_security as security
from checks.monthly import test_2_performance as monthly
from checks.monthly import test_3_recovery as recovery
from tests.check_in_process import judged
from tests.pipelines import pipeline_of

DAY = 86_400.0
NOW = 20_000 * DAY
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PIPELINE = pipeline_of("orders", paths={"compose_files": ["docker-compose.yml"]})


def image(digest: str = NEW, days: float = 10, registry: str = NEW) -> Image:
    return Image(digest, (f"postgres@{registry}",), NOW - days * DAY)


def images(*services: Running) -> Images:
    return Images(services, NOW, 180)


FINE = Running("postgres", "postgres:15", "postgres:15", NEW, image())


@pytest.mark.parametrize(
    ("services", "verdict", "found"),
    [
        ([FINE], Verdict.PASSED, []),
        ([FINE, Running("kafka", "kafka:3", "kafka:2", NEW, image())], Verdict.FAILED, ["kafka:2"]),
        ([FINE, Running("kafka", "kafka:3", "", "", None)], Verdict.FAILED, ["absent"]),
        (
            [Running("postgres", "postgres:15", "postgres:15", OLD, image(NEW))],
            Verdict.FAILED,
            ["an older postgres:15 than the one that was pulled"],
        ),
        ([Running("postgres", "postgres:15", "postgres:15", OLD, None)], Verdict.PASSED, []),
        (
            [Running("postgres", "postgres:15", "postgres:15", NEW, image(days=200))],
            Verdict.WARNED,
            ["made 200 days ago"],
        ),
        ([Running("postgres", "postgres:15", "postgres:15", NEW, Image(NEW, (), None))], Verdict.PASSED, []),
        ([], Verdict.FAILED, ["an empty expectation"]),
    ],
)
def test_images(services: list[Running], verdict: Verdict, found: list[str]) -> None:
    record = judged(security.test_containers_run_the_images_of_the_compose_files, PIPELINE, images=images(*services))

    assert (record.verdict, [d.found for d in record.differences]) == (verdict, found)
    if verdict is Verdict.FAILED:
        assert record.action[0] == "docker compose -f docker-compose.yml pull"


@pytest.mark.parametrize(
    ("at_registry", "unknown", "verdict"),
    [
        ({"postgres:15": NEW}, {}, Verdict.PASSED),
        ({"postgres:15": OLD}, {}, Verdict.WARNED),
        ({}, {"postgres:15": "the engine answered: no route"}, Verdict.NOT_CHECKED),
        ({"postgres:15": NEW}, {"kafka:3": "no route"}, Verdict.NOT_CHECKED),
    ],
)
def test_newer_images(at_registry: dict[str, str], unknown: dict[str, str], verdict: Verdict) -> None:
    found = NewerImages({"postgres:15": image()}, at_registry, unknown)

    assert judged(security.test_no_newer_image_is_to_be_had, PIPELINE, newer_images=found).verdict is verdict


def test_no_images_at_all_is_not_that_none_is_newer() -> None:
    check = security.test_no_newer_image_is_to_be_had
    assert judged(check, PIPELINE, newer_images=NewerImages({}, {}, {})).verdict is Verdict.NOT_CHECKED


def package(name: str, *advisories: str, skipped: str = "") -> Audited:
    return Audited(name, "1.0", skipped, tuple((one, "1.1") for one in advisories))


SKIPPED = "Dependency not found on PyPI and could not be audited"


@pytest.mark.parametrize(
    ("packages", "verdict"),
    [
        ([package("six"), package("cdcproof", skipped=SKIPPED)], Verdict.PASSED),
        ([package("six", "GHSA-1"), package("jinja2")], Verdict.FAILED),
        ([package("six", "GHSA-1"), package("jinja2", skipped=SKIPPED)], Verdict.FAILED),
        ([package("six"), package("jinja2", skipped=SKIPPED)], Verdict.NOT_CHECKED),
        ([package("six", skipped=SKIPPED), package("jinja2", skipped=SKIPPED)], Verdict.NOT_CHECKED),
        ([package("cdcproof", skipped=SKIPPED)], Verdict.NOT_CHECKED),
        ([], Verdict.NOT_CHECKED),
    ],
)
def test_advisories(packages: list[Audited], verdict: Verdict) -> None:
    check = security.test_no_installed_package_has_a_known_vulnerability
    record = judged(check, PIPELINE, advisories=Advisories(tuple(packages)))

    assert record.verdict is verdict
    if verdict is Verdict.FAILED:
        assert [(d.subject, d.found, d.detail) for d in record.differences] == [
            ("six", "GHSA-1", "mended in: GHSA-1: 1.1")
        ]


def samples(this: float, before: float | None = None, gap_days: float = 0) -> tuple[tuple[float, float], ...]:
    """Of 30 days: the value of the last 15, and of those before; without the last `gap_days`."""
    times = range(int(NOW - 30 * DAY), int(NOW - gap_days * DAY) + 1, STEP_SECONDS)
    middle = NOW - 15 * DAY
    return tuple((float(at), value) for at in times if (value := this if at > middle else before) is not None)


def performance(*averages: Average, unanswered: tuple[str, ...] = ()) -> Verdict:
    found = Performance(averages, (), unanswered, NOW, 120)
    check = monthly.test_the_month_is_exported_and_its_averages_are_within_their_limits
    return judged(check, PIPELINE, performance=found).verdict


LAG = Average("sink, records", "records", samples(100, 100), 10_000)
RATE = Average("reconciliation", "rows per second", samples(1000, 1500), less_is_worse=True)


@pytest.mark.parametrize(
    ("averages", "unanswered", "verdict"),
    [
        ((LAG, RATE), (), Verdict.PASSED),
        ((Average("sink, records", "records", samples(20_000, 100), 10_000), RATE), (), Verdict.FAILED),
        ((Average("sink, records", "records", samples(20_000, 100), 10_000), RATE), ("a panel",), Verdict.FAILED),
        ((Average("sink, records", "records", samples(2_000, 900), 10_000), RATE), (), Verdict.WARNED),
        ((Average("sink, records", "records", samples(20, 1), 10_000), RATE), (), Verdict.PASSED),
        (
            (LAG, Average("reconciliation", "rows per second", samples(1000, 2500), less_is_worse=True)),
            (),
            Verdict.WARNED,
        ),
        (
            (LAG, Average("reconciliation", "rows per second", samples(2500, 1000), less_is_worse=True)),
            (),
            Verdict.PASSED,
        ),
        ((Average("sink, records", "records", samples(2_000, None), 10_000), RATE), (), Verdict.PASSED),
        ((LAG, RATE), ("Throughput: no answer",), Verdict.NOT_CHECKED),
        ((Average("sink, records", "records", samples(100, 100, gap_days=1), 10_000), RATE), (), Verdict.NOT_CHECKED),
        ((RATE,), (), Verdict.NOT_CHECKED),
        ((), (), Verdict.NOT_CHECKED),
    ],
)
def test_performance(averages: tuple[Average, ...], unanswered: tuple[str, ...], verdict: Verdict) -> None:
    assert performance(*averages, unanswered=unanswered) is verdict


def drill(days: float = 30, rto: float = 3, rpo: float = 20, proven: bool | None = True) -> Drill:
    at = NOW - days * DAY
    return Drill("drills/d.json", "complete data loss", at - 3600, at, rto * 3600, rpo * 3600, proven)


def drills(*found: Drill) -> RecoveryDrill:
    return RecoveryDrill(found, NOW, 4, 24, 92)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (drills(drill()), {}),
        (drills(drill(rto=4, rpo=24, proven=None)), {}),
        (drills(drill(rto=4.1)), {"recovery time": "4 h 6 min"}),
        (drills(drill(rpo=25)), {"lost changes": "25 h"}),
        (drills(drill(days=93)), {"last drill": "93 days ago"}),
        (drills(drill(days=-2)), {"last drill": "from the future: a clock is wrong"}),
        (drills(drill(proven=False)), {"result": "not proven"}),
        (drills(), {"last drill": "none is on record"}),
        (drills(drill(rto=5), drill(days=60)), {"recovery time": "5 h"}),
    ],
)
def test_the_last_drill(found: RecoveryDrill, wrong: dict[str, str]) -> None:
    record = judged(recovery.test_the_last_recovery_drill_kept_its_targets, PIPELINE, recovery_drill=found)

    assert {d.subject: d.found for d in record.differences} == wrong
    assert record.verdict is (Verdict.FAILED if wrong else Verdict.PASSED)


def test_a_drill_is_recorded_by_the_command_that_is_advised(tmp_path: Path) -> None:
    """As it is printed, with what it took in the place of the words in capitals."""
    pipeline = pipeline_of("orders", paths={"reconciliation_reports": str(tmp_path / "it's here" / "reconciliation")})

    def check() -> StepRecord:
        found = read(pipeline.paths.reports / "drills", pipeline.name)
        seen = RecoveryDrill(found, datetime.now(UTC).timestamp(), 4, 24, 92)
        return judged(recovery.test_the_last_recovery_drill_kept_its_targets, pipeline, recovery_drill=seen)

    red = check()
    assert [(d.subject, d.found) for d in red.differences] == [("last drill", "none is on record")]
    command = next(line for line in red.action if "record what it took" in line).partition(": ")[2]
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    for word, value in {
        "YYYY-MM-DDTHH:MM:SSZ": now,
        "YYYY-MM-DD": now[:10],
        ": SECONDS": ": 3600",
        "SCENARIO": "target-lost",
    }.items():
        command = command.replace(word, value)
    subprocess.run(["bash", "-c", command], check=True, cwd=tmp_path)

    assert check().verdict is Verdict.PASSED
    assert check().evidence[0].text.splitlines()[1].split()[2] == "target-lost"


def record(folder: Path, name: str, **changes: object) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    told = {
        "started_at": at.isoformat(),
        "finished_at": (at + timedelta(hours=2)).isoformat(),
        "scenario": "one database corrupted",
        "rto_seconds": 7200,
        "rpo_seconds": 60.5,
    }
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({**told, **changes}))


def test_records_are_read_newest_first_and_only_those_of_the_pipeline(tmp_path: Path) -> None:
    record(tmp_path, "a.json", finished_at="2026-11-01T05:00:00+00:00", proven=True, pipeline="warehouse")
    record(tmp_path, "b.json")
    record(tmp_path, "c.json", pipeline="another")

    found = read(tmp_path, "warehouse")

    assert [(Path(one.path).name, one.proven) for one in found] == [("a.json", True), ("b.json", None)]
    assert (found[1].rto_seconds, found[1].rpo_seconds) == (7200, 60.5)
    assert read(tmp_path / "nowhere", "warehouse") == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"rto_seconds": None},
        {"rto_seconds": -1},
        {"rpo_seconds": float("inf")},
        {"finished_at": "2026-10-01"},
        {"started_at": "once"},
        {"proven": "perhaps"},
    ],
)
def test_a_record_that_cannot_be_is_not_passed_over(tmp_path: Path, changes: dict[str, object]) -> None:
    record(tmp_path, "a.json", **changes)

    with pytest.raises(UnexpectedAnswerError, match=r"a\.json is no record of a drill"):
        read(tmp_path, "warehouse")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(CouldNotLookError):
        read(tmp_path, "warehouse")
