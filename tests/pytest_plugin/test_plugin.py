"""The verdict of a check, by what it raises; each run is a pytest of its own."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta

import pytest

from cdcproof.findings import Verdict
from tests.plugin_project import CONNECTORS, FINE, LAG, SERVICES_DOWN, Project

pytest_plugins = "pytester"

IN_A_WEEK = (date.today() + timedelta(days=7)).isoformat()  # noqa: DTZ011
YESTERDAY = (date.today() - timedelta(days=1)).isoformat()  # noqa: DTZ011


def test_a_green_run_ends_with_the_report_and_status_0(project: Project) -> None:
    project.checks(FINE)

    result = project.run("-m", "morning")

    assert result.ret == 0
    assert result.outlines[-1] == str(project.reports / "morning.html")
    assert "GREEN: 1 passed" in result.stdout.str()
    assert project.verdicts() == {"morning.5-disk": "passed"}


def test_a_finding_is_told_as_a_block_without_traceback(project: Project) -> None:
    project.checks(SERVICES_DOWN)

    result = project.run("-m", "morning")

    assert result.ret == 1
    block = [
        "FAILED  morning.1-services  Every expected service is up.",
        "",
        "Expected  kafka-connect (connect)  up",
        "Found     kafka-connect (connect)  down",
        "Action    docker restart x",
        "Runbook   docs/RUNBOOK.md#morning-1-services",
    ]
    assert "\n".join(block) in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "test_morning.py:" not in result.stdout.str()


def test_every_verdict(project: Project) -> None:
    """What a check raises, in setup or in its body, and the verdict it gets."""
    cases = {
        "morning.a": ("evidence.saw('x', 'y')", Verdict.PASSED),
        "morning.b": ("evidence.saw('x', 'y'); warn_above({'/': 75}, 70, unit='%')", Verdict.WARNED),
        "morning.c": ("evidence.saw('x', 'y'); require_at_most({'/': 75}, 70, unit='%')", Verdict.FAILED),
        "morning.d": ("raise UnreachableError('no answer')", Verdict.NOT_CHECKED),
        "morning.e": ("raise UsageError('not set')", Verdict.NOT_CHECKED),
        "morning.f": ("{}['x']", Verdict.NOT_CHECKED),
        "morning.g": ("pytest.skip('not today')", Verdict.NOT_CHECKED),
        "morning.h": ("pass", Verdict.FAILED),
        "morning.i": ("evidence.saw('x', [])", Verdict.FAILED),
        "morning.j": ("assert 1 == 2", Verdict.FAILED),
        "morning.k": ("pytest.xfail('known')", Verdict.NOT_CHECKED),
        "morning.l": ("pytest.fail('no')", Verdict.FAILED),
    }
    fixture = "@pytest.fixture\ndef broken():\n    raise RefusedError('login refused')\n"
    project.checks(
        *(project.check(body, step) for step, (body, _) in cases.items()),
        fixture,
        project.check("pass", "morning.m", fixtures="broken, evidence"),
        "@pytest.mark.skip\n" + project.check("pass", "morning.n"),
    )

    result = project.run("-m", "morning", "-v")

    assert result.ret == 1
    expected = {step: str(verdict) for step, (_, verdict) in cases.items()}
    assert project.verdicts() == {**expected, "morning.m": "not checked", "morning.n": "not checked"}
    assert "internal error: KeyError: 'x'" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "WARNED" in result.stdout.str()
    assert "Traceback" in (project.reports / "morning.html").read_text()


def test_a_broken_need_blocks_and_what_it_blocks_blocks_too(project: Project) -> None:
    project.checks(LAG, CONNECTORS, SERVICES_DOWN, FINE)

    result = project.run("-m", "morning")

    assert result.ret == 1
    assert project.verdicts() == {
        "morning.1-services": "failed",
        "morning.2-connectors": "blocked",
        "morning.5-disk": "passed",
        "morning.7-lag": "blocked",
    }
    assert {r.blocked_by for r in project.latest().steps if r.verdict == "blocked"} == {"morning.1-services"}
    assert "BLOCKED  by morning.1-services: morning.2-connectors, morning.7-lag" in result.stdout.str()


def test_a_need_with_another_subject_does_not_block(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS.replace(":connect", ":kafka"))

    project.run("-m", "morning")

    assert project.verdicts()["morning.2-connectors"] == "passed"


def test_a_need_that_found_only_what_nobody_expects_blocks_nothing(project: Project) -> None:
    found = '{"sink": "RUNNING", "rogue": "RUNNING"}'
    expected = '{"sink": "RUNNING"}'
    for seen, verdict in ((found, "passed"), (found.replace("RUNNING", "FAILED", 1), "blocked")):
        body = f"evidence.saw('states', 'x'); require_equal({seen}, {expected})"
        project.checks(project.check(body, "morning.2-connectors"), LAG)

        project.run("-m", "morning")

        assert project.verdicts() == {"morning.2-connectors": "failed", "morning.7-lag": verdict}


def test_a_need_that_could_not_be_looked_at_blocks_whatever_the_subject(project: Project) -> None:
    project.checks(project.check("raise UnreachableError('engine')", "morning.1-services"), CONNECTORS)

    project.run("-m", "morning")

    assert project.verdicts()["morning.2-connectors"] == "blocked"


def test_a_need_that_is_not_selected_blocks_nothing(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS)

    result = project.run("-m", "morning", "-k", "connectors")

    assert result.ret == 0
    assert project.verdicts() == {"morning.2-connectors": "passed"}


def test_the_remedy_of_what_could_not_be_looked_at_is_advice_but_for_a_line_that_can_be_pasted(
    project: Project,
) -> None:
    project.checks(
        project.check(
            'raise UnreachableError("Kafka does not answer.", "Start the broker.\\nThen look again.\\npsql -c 1")'
        )
    )

    project.run("-m", "morning")

    assert project.latest().steps[0].action == ("# Start the broker.", "# Then look again.", "psql -c 1")


def test_a_check_of_a_part_the_pipeline_does_not_have_is_not_collected(project: Project) -> None:
    body = 'evidence.saw("Slots", "none")'
    project.checks(
        project.check(body, "morning.8-slots", mark=', applies=lambda pipeline: pipeline.source.type == "sqlserver"'),
        project.check(body, "morning.9-tables", mark=', applies=lambda pipeline: pipeline.source.type == "postgresql"'),
    )

    result = project.run("-m", "morning")

    assert result.ret == 0
    assert project.verdicts() == {"morning.9-tables": "passed"}
    result.stdout.fnmatch_lines(["*1 deselected*"])


def test_a_check_of_the_catalogue_has_severity_suites_and_conditions_from_there(project: Project) -> None:
    listed = '@pytest.mark.runbook("{}")\ndef test_{}(evidence):\n    """A title."""\n    {}\n'
    project.pipeline(extra='registry.url = "http://127.0.0.1:1"')
    project.checks(
        listed.format(
            "morning.1-services", "a", "require_equal({'registry': 'down', 'x': 1}, {'registry': 'up', 'x': 1})"
        ),
        listed.format("morning.6-registry-answers", "b", "evidence.saw('x', 'y')"),  # needs the registry's service
        listed.format("morning.7-capture-job", "c", "evidence.saw('x', 'y')"),  # of a SQL Server source only
        listed.format("morning.6-source-answers", "d", "evidence.saw('x', 'y')"),
    )

    result = project.run("-m", "morning")

    assert project.verdicts() == {
        "morning.1-services": "failed",
        "morning.6-registry-answers": "blocked",
        "morning.6-source-answers": "passed",
    }
    assert {r.step: r.severity for r in project.latest().steps}["morning.6-registry-answers"] == "major"
    result.stdout.fnmatch_lines(["*1 deselected*"])


def test_a_check_that_is_in_no_catalogue_must_give_its_severity(project: Project) -> None:
    project.checks('@pytest.mark.runbook("morning.1-own")\ndef test_own(evidence):\n    """A title."""\n')

    result = project.run("-m", "morning")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*morning.1-own is not in the catalogue, so its mark must give*"])


def test_a_waived_failure_is_green_and_says_why(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS)
    project.waive("morning.1-services", IN_A_WEEK)

    result = project.run("-m", "morning")

    assert result.ret == 0
    assert project.verdicts() == {"morning.1-services": "waived", "morning.2-connectors": "passed"}
    assert f"a fix is on its way (until {IN_A_WEEK})" in result.stdout.str()


def test_a_waiver_does_not_hide_that_we_could_not_look(project: Project) -> None:
    project.checks(project.check("raise UnreachableError('no answer')"))
    project.waive("morning.1-it", IN_A_WEEK)

    assert project.run("-m", "morning").ret == 1
    assert project.verdicts() == {"morning.1-it": "not checked"}


def test_an_expired_waiver_excuses_nothing_and_stops_nothing(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS, FINE)
    project.waive("morning.1-services", YESTERDAY)

    result = project.run("-m", "morning")

    assert result.ret == 1
    assert project.verdicts() == {
        "morning.1-services": "failed",
        "morning.2-connectors": "blocked",
        "morning.5-disk": "passed",
    }
    assert f"waiver of morning.1-services  expired on {YESTERDAY}" in result.stdout.str()


def test_an_expired_waiver_of_what_is_right_is_a_warning(project: Project) -> None:
    project.checks(FINE)
    project.waive("morning.5-disk", YESTERDAY)

    assert project.run("-m", "morning").ret == 0
    [record] = project.latest().steps
    assert (record.verdict, record.differences[0].found) == (Verdict.WARNED, f"expired on {YESTERDAY}")


def test_a_waiver_that_is_not_needed_any_more_is_told(project: Project) -> None:
    project.checks(FINE)
    project.waive("morning.5-disk", IN_A_WEEK)

    result = project.run("-m", "morning")

    assert result.ret == 0
    assert "can go" in result.stdout.str()


@pytest.mark.parametrize(
    ("source", "waiver", "told"),
    [
        ("def test_it(evidence):\n    '''Title.'''\n", None, "a check without a runbook mark"),
        (FINE.replace("morning.5-disk", "disk"), None, "the step id 'disk' is not of the form"),
        (FINE.replace("morning.5-disk", "yearly.5-disk"), None, "the suite 'yearly' of step yearly.5-disk"),
        (FINE.replace("minor", "huge"), None, "the severity 'huge' is not one of critical, major, minor"),
        (FINE.replace('"""Disks have room."""', ""), None, "no docstring"),
        (FINE + FINE.replace("test_disk", "test_again"), None, "the step morning.5-disk is claimed by 2 checks"),
        (CONNECTORS, None, "it needs morning.1-services, and there is no such step"),
        (FINE, ("morning.9-gone", IN_A_WEEK), "the pipeline waives morning.9-gone, and there is no such step"),
        ("@pytest.mark.xfail\n" + FINE.strip(), None, "a check cannot be xfail"),
        (FINE.replace('"minor"', '"minor", need=["x"]'), None, "takes one step id"),
        (
            CONNECTORS.replace("1-services:connect", "7-lag") + LAG,
            None,
            "in a circle: morning.2-connectors → morning.7-lag → morning.2-connectors",
        ),
    ],
)
def test_what_is_declared_wrong_is_refused_at_once(
    project: Project, source: str, waiver: tuple[str, str] | None, told: str
) -> None:
    project.checks(source)
    if waiver:
        project.waive(*waiver)

    result = project.run()

    output = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in output
    assert "Traceback" not in output
    assert not project.reports.exists()


@pytest.mark.parametrize("arguments", [(), ("-n", "1")])
def test_a_pipeline_file_that_is_not_there_is_a_sentence(project: Project, arguments: tuple[str, ...]) -> None:
    project.checks(FINE)

    result = project.run("--pipeline", "other.toml", *arguments)

    output = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "other.toml: There is no such pipeline file." in output
    assert "Traceback" not in output


def test_ordinary_tests_need_no_pipeline_and_keep_pytests_output(project: Project) -> None:
    (project.path / "p.toml").unlink()
    (project.path / "test_ordinary.py").write_text("def test_one():\n    left = 1\n    assert left == 2\n")

    result = project.run("test_ordinary.py")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*= FAILURES =*", ">*assert left == 2", "E*assert 1 == 2"])
    assert "GREEN" not in result.stdout.str()
    assert not project.reports.exists()


def test_a_step_in_a_file_that_is_not_run_is_known(project: Project) -> None:
    project.checks(SERVICES_DOWN)
    project.checks(CONNECTORS, name="test_connectors.py")

    assert project.run("checks/test_connectors.py").ret == 0


def test_a_run_without_checks_is_not_green(project: Project) -> None:
    project.checks(FINE)

    assert project.run("-m", "weekly").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_failing_clean_up_makes_a_green_check_not_checked(project: Project) -> None:
    fixture = "@pytest.fixture\ndef client():\n    yield\n    raise UnreachableError('cannot close')\n"
    project.checks(fixture, project.check("evidence.saw('x', 'y')", fixtures="client, evidence"))

    result = project.run("-m", "morning")

    assert result.ret == 1
    assert project.verdicts() == {"morning.1-it": "not checked"}
    assert "after the check: cannot close" in result.stdout.str()


def test_an_interrupted_run_says_so(project: Project) -> None:
    project.checks(SERVICES_DOWN, FINE)

    result = project.run("-m", "morning", "-x")

    assert result.ret == 1
    assert "Interrupted: 1 of 2 checks did not run." in result.stdout.str()


def test_the_header_of_the_environment_reaches_the_report(project: Project) -> None:
    fixture = """
    @pytest.fixture(scope="session")
    def environment(request):
        from cdcproof.pytest_plugin.plugin import set_run_header
        set_run_header(request.config, ["The source is PostgreSQL."])
    """
    project.checks(fixture, project.check("evidence.saw('x', 'y')", fixtures="environment, evidence"))

    for arguments in ((), ("-n", "1")):
        result = project.run("-m", "morning", *arguments)
        assert "The source is PostgreSQL." in result.stdout.str()
        assert project.latest().header[0] == "The source is PostgreSQL."
        assert project.latest().header[1].startswith("Evidence: ")


@pytest.mark.slow
def test_xdist_gives_the_same_verdicts(project: Project) -> None:
    project.checks(LAG, FINE, project.check("raise UnreachableError('x')", "morning.4-x"))
    project.checks(CONNECTORS, name="test_a.py")
    project.checks(SERVICES_DOWN, name="test_z.py")

    alone = project.run("-m", "morning")
    verdicts = project.verdicts()
    spread = project.run("-m", "morning", "-n", "2")

    assert (alone.ret, spread.ret) == (1, 1)
    assert project.verdicts() == verdicts
    assert verdicts["morning.7-lag"] == "blocked"
    assert len(list((project.reports / "runs").iterdir())) == 2
    assert "Nothing has changed since the last run." in spread.stdout.str()


@pytest.mark.slow
def test_a_worker_that_dies_leaves_its_check_not_checked(project: Project) -> None:
    project.checks(FINE, project.check("import os; os._exit(7)", "morning.9-dies"))

    result = project.run("-m", "morning", "-n", "1")

    assert result.ret == 1
    assert project.verdicts() == {"morning.5-disk": "passed", "morning.9-dies": "not checked"}


def test_junit_has_our_text_and_properties(project: Project) -> None:
    project.checks(SERVICES_DOWN, CONNECTORS)

    project.run("-m", "morning", "--junitxml", "junit.xml")

    failed, blocked = ET.parse(project.path / "junit.xml").getroot().iter("testcase")
    failure = failed.find("failure")
    assert failure is not None
    assert failure.get("message", "").startswith("FAILED  morning.1-services")
    assert "Traceback" not in (failure.text or "")
    assert blocked.find("skipped") is not None
    assert {p.get("name"): p.get("value") for p in failed.iter("property")} == {
        "step": "morning.1-services",
        "severity": "critical",
        "verdict": "failed",
        "runbook": "docs/RUNBOOK.md#morning-1-services",
    }


@pytest.mark.slow
def test_tests_that_are_no_checks_go_file_by_file_where_that_is_asked(project: Project) -> None:
    body = "import os, pathlib\n" + "".join(
        f"def test_{number}():\n    pathlib.Path(os.environ['PYTEST_XDIST_WORKER'] + '-' + __name__).touch()\n"
        for number in range(9)
    )
    for name in "abcd":
        (project.path / f"test_{name}.py").write_text(body)

    result = project.run("-n", "2", "--dist", "loadfile", *(f"test_{name}.py" for name in "abcd"))

    result.assert_outcomes(passed=36)
    assert sorted(path.name.partition("-")[2] for path in project.path.glob("gw*-test_*")) == [
        "test_a",
        "test_b",
        "test_c",
        "test_d",
    ]
