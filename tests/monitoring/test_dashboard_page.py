"""`cdcproof dashboard`: a page that shows what Prometheus has, and says of the rest that nothing is known."""

from __future__ import annotations

import csv
import math
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

import pytest

from cdcproof.cli.main import main
from cdcproof.clients.prometheus_server import PrometheusServer
from cdcproof.core.errors import CouldNotLookError, UnreachableError, UsageError
from cdcproof.monitoring.dashboards import DASHBOARDS, answers
from cdcproof.monitoring.dashboards.answers import Series
from cdcproof.monitoring.dashboards.chart import MOST_LINES, chart
from cdcproof.monitoring.dashboards.model import Appearance, Colour, Level, State, Unit, filled
from cdcproof.monitoring.dashboards.written import written
from cdcproof.pipeline.model import HttpService
from tests.monitoring.fake_prometheus import Found, answering

ABOUT = "last_over_time(cdcproof_exporter_info"
TOTAL = sum(1 for shown in DASHBOARDS for _ in shown.panels)


def about(*pipelines: str) -> Found:
    return {
        (("instance", f"host-{number}:9104"), ("pipeline", name)): 1.0 for number, name in enumerate(pipelines, start=1)
    }


def one_pipeline(expression: str) -> Found:
    """Connectors alone have values."""
    if expression.startswith(ABOUT):
        return about("warehouse")
    if expression.startswith("min by (connector) (connector_state"):
        return {(("connector", "sink"),): 0.0, (("connector", "<b>source"),): 1.0}
    return {}


def page_of(folder: Path, *options: str) -> tuple[int, str]:
    output = folder / "page.html"
    status = main(["dashboard", "--output", str(output), *options])
    return status, output.read_text() if output.exists() else ""


def test_a_panel_without_data_says_so_and_shows_no_number(tmp_path: Path) -> None:
    with answering(one_pipeline) as fake:
        status, page = page_of(tmp_path, "--prometheus", fake.url)

    assert status == 0
    assert ">NOT RUNNING</dd>" in page
    assert page.count('<p class="note">no data</p>') == TOTAL - 3  # two of states, and the table
    assert f"{TOTAL - 3} of {TOTAL} panels have no data." in page
    numbers = re.findall(r"<dd[^>]*>([^<]*)</dd>", page)
    assert sorted(numbers) == ["NOT RUNNING", "RUNNING"]


def test_what_is_not_a_number_is_no_data(tmp_path: Path) -> None:
    """A share of nothing is NaN."""

    def nothing(expression: str) -> Found:
        return about("warehouse") if expression.startswith(ABOUT) else {(("side", "source"),): math.nan}

    with answering(nothing) as fake:
        status, page = page_of(tmp_path, "--prometheus", fake.url)

    assert status == 0
    assert page.count('<p class="note">no data</p>') == TOTAL


def test_the_page_needs_nothing_else_and_escapes_names(tmp_path: Path) -> None:
    with answering(one_pipeline) as fake:
        _, page = page_of(tmp_path, "--prometheus", fake.url)

    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert not re.findall(r"url\((?!data:)", page)
    assert "<b>source" not in page
    assert "&lt;b&gt;source" in page
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)


def test_the_data_of_the_page_is_written_as_csv(tmp_path: Path) -> None:
    with answering(one_pipeline) as fake:
        assert page_of(tmp_path, "--prometheus", fake.url, "--hours", "1", "--csv", str(tmp_path / "data.csv"))[0] == 0

    header, *lines = list(csv.reader((tmp_path / "data.csv").read_text().splitlines()))
    assert header == ["dashboard", "panel", "series", "unit", "time", "value"]
    assert {line[1] for line in lines} == {"Connectors", "Connectors and tasks", "Connector state over time"}
    assert ["sink", "number", "0.0"] in [[line[2], line[3], line[5]] for line in lines if line[1] == "Connectors"]
    assert {line[2] for line in lines if line[1] == "Connectors and tasks"} == {"sink: State", "<b>source: State"}
    assert all(datetime.fromisoformat(line[4]).utcoffset() == timedelta(0) for line in lines)
    assert len([line for line in lines if line[1] == "Connector state over time"]) == 2 * 240


def test_links_lead_to_the_runbook_of_this_checkout(tmp_path: Path) -> None:
    with answering(one_pipeline) as fake:
        _, page = page_of(tmp_path, "--prometheus", fake.url)

    targets = set(re.findall(r'href="([^"]*RUNBOOK.md)#', page))
    assert [(tmp_path / target).resolve() for target in targets] == [Path(__file__).parents[2] / "docs" / "RUNBOOK.md"]


def test_an_expression_that_is_not_answered_is_named_and_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def partly(expression: str) -> Found | int:
        return 503 if "cdcproof_dead_letters_total" in expression else one_pipeline(expression)

    with answering(partly) as fake:
        status, page = page_of(tmp_path, "--prometheus", fake.url)

    assert status == 3
    assert page.count("not answered: Prometheus at") == 1
    assert f"1 of {TOTAL} panels were not answered" in capsys.readouterr().err


class _Silent(PrometheusServer):
    """Says nothing, and counts how often it is waited for."""

    waits = 0

    def query(self, expression: str) -> NoReturn:
        self.waits += 1
        raise UnreachableError("no answer within 10 s")

    def query_range(self, expression: str, start: float, end: float, step_seconds: float) -> NoReturn:
        self.query(expression)


def test_a_prometheus_that_falls_silent_is_asked_no_more() -> None:
    """Each wait may take 23 s, and there are some fifty expressions."""
    silent = _Silent(HttpService(url="http://127.0.0.1:1"))

    found = answers.ask(silent, DASHBOARDS, answers.Scope("warehouse", ".*", 0, 3600))

    assert silent.waits == 2
    assert {answered.trouble for answered in found.values()} == {"no answer within 10 s"}
    assert len(found) == TOTAL


def test_no_prometheus_is_an_error_and_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page_of(tmp_path, "--prometheus", "http://127.0.0.1:1") == (3, "")
    assert "connection refused" in capsys.readouterr().err


def test_a_prometheus_that_knows_no_pipeline_is_an_error_and_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(lambda _: {}) as fake:
        assert page_of(tmp_path, "--prometheus", fake.url) == (3, "")
    error = capsys.readouterr().err
    assert "no metrics of any pipeline in the last 6 h" in error
    assert "cdcproof exporter" in error


def test_of_several_pipelines_one_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(lambda expression: about("crm", "erp") if expression.startswith(ABOUT) else {}) as fake:
        assert page_of(tmp_path, "--prometheus", fake.url) == (2, "")
        assert "knows 2 pipelines: crm, erp." in capsys.readouterr().err

        scope = answers.scope(PrometheusServer(HttpService(url=fake.url)), "erp", 0, 60)
        assert scope.instance == r"host\-2:9104"
        with pytest.raises(CouldNotLookError, match=r"no metrics of pipeline hr .* It has those of: crm, erp"):
            answers.scope(PrometheusServer(HttpService(url=fake.url)), "hr", 0, 60)
        with pytest.raises(UsageError, match="knows 2 pipelines"):
            answers.scope(PrometheusServer(HttpService(url=fake.url)), "", 0, 60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prometheus", "localhost:9090"), "--prometheus must start with http"),
        (("--prometheus", "http://me:s3cret@localhost"), "must hold no user and no password"),
        (("--pipeline", "no-such"), "no-such.toml"),
        (("--hours", "0"), "'0' is no number of hours"),
        (("--hours", "nan"), "'nan' is no number of hours"),
        (("--hours", "-1"), "no number of hours"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    try:
        status, page = page_of(tmp_path, *options)
    except SystemExit as end:
        status, page = int(end.code or 0), ""

    error = capsys.readouterr().err
    assert (status, page) == (2, "")
    assert message in error
    assert "s3cret" not in error


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with answering(one_pipeline) as fake:
        status = main(["dashboard", "--prometheus", fake.url, "--output", str(tmp_path / "file" / "page.html")])

    assert status == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "look", "text"),
    [
        (0, Appearance(), "0"),
        (0, Appearance(unit=Unit.SECONDS), "0 s"),
        (0.0042, Appearance(unit=Unit.SECONDS), "4.2 ms"),
        (1.25, Appearance(unit=Unit.SECONDS), "1.25 s"),
        (119, Appearance(unit=Unit.SECONDS), "119 s"),
        (150, Appearance(unit=Unit.SECONDS), "2.5 min"),
        (7200, Appearance(unit=Unit.SECONDS), "2 h"),
        (864000, Appearance(unit=Unit.SECONDS), "10 days"),
        (-90, Appearance(unit=Unit.SECONDS), "-90 s"),
        (1536, Appearance(unit=Unit.BYTES), "1.5 KiB"),
        (0, Appearance(unit=Unit.BYTES), "0 B"),
        (0.425, Appearance(unit=Unit.RATIO), "42.5 %"),
        (1_234_567, Appearance(), "1.23 M"),
        (3.2, Appearance(decimals=0), "3"),
        (1000, Appearance(unit=Unit.RECORDS_PER_SECOND), "1 k rec/s"),
        (float("inf"), Appearance(), "∞"),
        (float("nan"), Appearance(), "not a number"),
        (0.00004, Appearance(), "4e-05"),
        (-1, Appearance(states=(State(-1, "UNKNOWN", Colour.UNKNOWN),)), "UNKNOWN"),
    ],
)
def test_values_are_written_as_people_read_them(value: float, look: Appearance, text: str) -> None:
    assert written(value, look) == text


def line(name: str, *points: tuple[float, float]) -> Series:
    return Series(0, name, (), points)


def test_a_gap_is_drawn_as_a_gap_and_a_lone_point_as_a_point() -> None:
    series = line("a", (0, 1), (10, 2), (50, 3), (90, 4), (100, 5))

    [drawn] = chart([series], Appearance(), start=0, end=100, step_seconds=10).lines

    assert len(drawn.pieces) == 2
    assert len(drawn.points) == 1
    assert drawn.last == "5"


def test_a_series_that_ended_has_no_value_now() -> None:
    [drawn] = chart([line("a", (0, 1), (10, 2))], Appearance(), start=0, end=100, step_seconds=10).lines

    assert drawn.last == "no value now"


def test_of_too_many_lines_the_largest_are_drawn_and_the_rest_counted() -> None:
    many = [line(str(number), (0, number), (10, number)) for number in range(MOST_LINES + 5)]

    drawn = chart(many, Appearance(), start=0, end=10, step_seconds=10)

    assert [one.name for one in drawn.lines] == [str(number) for number in range(5, MOST_LINES + 5)]
    assert drawn.left_out == 5


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("value", [0, 1e-9, 0.3, 1, 59, 61, 1023, 1025, 4e5, 7e9, 3e15, -5])
def test_the_axis_holds_every_value_between_few_ticks(unit: Unit, value: float) -> None:
    drawn = chart(
        [line("a", (0, 0), (10, value))],
        Appearance(unit=unit, levels=(Level(10, Colour.BAD),)),
        start=0,
        end=100,
        step_seconds=10,
    )

    heights = [float(pair.split(",")[1]) for piece in drawn.lines[0].pieces for pair in piece.split()]
    marks = [mark.at for mark in drawn.values]
    assert min(marks) - 0.1 <= min(heights) <= max(heights) <= max(marks) + 0.1
    assert 2 <= len(marks) <= 7
    assert len({mark.text for mark in drawn.values}) == len(marks)


def test_variables_are_replaced_once_and_quoted() -> None:
    sent = filled(
        'up{instance=~"$instance|",pipeline="$pipeline"}[$__rate_interval]',
        instance=r"a\.b:1",
        pipeline='$instance"',
        rate_seconds=60,
        range_seconds=600,
    )

    assert sent == r'up{instance=~"a\\.b:1|",pipeline="$instance\""}[60s]'


def pipeline_file(folder: Path, prometheus: str) -> str:
    """The warehouse's pipeline file with this Prometheus, or with none."""
    text = (Path(__file__).parents[2] / "fixtures/pipelines/warehouse.toml").read_text()
    section = '[prometheus]\nurl = "http://localhost:9090"\n'
    assert section in text
    path = folder / "warehouse.toml"
    path.write_text(text.replace(section, f'[prometheus]\nurl = "{prometheus}"\n' if prometheus else ""))
    return str(path)


def test_a_pipeline_file_says_where_prometheus_is_and_whose_series_are_meant(tmp_path: Path) -> None:
    def two(expression: str) -> Found:
        return about("erp", "warehouse") if expression.startswith(ABOUT) else one_pipeline(expression)

    with answering(two) as fake:
        status, page = page_of(tmp_path, "--pipeline", pipeline_file(tmp_path, fake.url))

    assert status == 0
    assert "Dashboards of pipeline warehouse" in page
    sent = [expression for expression in fake.asked if "connector_state" in expression]
    assert sent
    assert all(r'instance=~"host\\-2:9104|"' in expression for expression in sent)


def test_a_pipeline_file_without_prometheus_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page_of(tmp_path, "--pipeline", pipeline_file(tmp_path, "")) == (2, "")
    assert "names no Prometheus.\nAdd [prometheus]" in capsys.readouterr().err
