"""`pytest -m validate` on a real pipeline: green, and red for the right reason on each fault that the runbook's wait would miss.

A fault that is a change of a connector is declared (`--expect`), as an operator would who made it: so only the step that
it breaks is red.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors, lifecycle
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.reporting.record import Run
from tests.drills.detections import DETECTIONS
from tests.integration.conftest import INSTANCE, PASSWORDS, ROOT, Outcome, Pipelines, eventually

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE
TABLES = ("customers", "products", "orders", "inventory", "shipments")
AFTER_CONNECTORS = ("validate.3-round-trip", "validate.4-reconciliation", "validate.6-soak")
OURS = "SELECT count(*) FROM public.customers WHERE customer_id = 99999"


@dataclass
class Validation:
    """The pipeline with a baseline, and a pipeline file that does not wait for long."""

    pipe: Pipelines
    file: Path
    healthy: dict[str, Verdict]

    def run(self, *options: str, limits: tuple[int, int] = (5, 5)) -> Outcome:
        self.write(*limits)
        return self.pipe.checks("validate", f"--pipeline={self.file}", "--soak=2s", *options)

    def write(self, hop_seconds: int, deadline_seconds: int) -> None:
        own = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
        own = own.replace("hop_seconds = 10", f"hop_seconds = {hop_seconds}")
        self.file.write_text(own.replace("deadline_seconds = 60", f"deadline_seconds = {deadline_seconds}"))

    def assert_only(self, outcome: Outcome, failed: str, verdict: Verdict = Verdict.FAILED, blocked=()):
        expected = self.healthy | {failed: verdict} | dict.fromkeys(blocked, Verdict.BLOCKED)
        assert outcome.verdicts() == expected, outcome.output
        assert (outcome.exit_status == 0) is verdict.is_green, outcome.output
        assert "Traceback" not in outcome.output
        return outcome.step(failed)

    def assert_nothing_of_ours_is_left(self) -> None:
        for side in (databases.source, databases.target):
            assert side(self.pipe.instance, OURS) == "0"


@pytest.fixture(scope="module")
def first(pipelines: Pipelines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validation]:
    """Green before the first fault, and green after the last."""
    pipelines.heal()
    done = pipelines.call("cdcproof", "baseline", "save")
    assert done.returncode == 0, done.stderr
    made = Validation(pipelines, tmp_path_factory.mktemp("validate") / "embedded.toml", {})
    outcome = made.run()
    assert set(outcome.verdicts().values()) == {Verdict.PASSED}, outcome.output
    assert len(outcome.verdicts()) == 6
    assert outcome.exit_status == 0
    made.healthy = outcome.verdicts()
    yield made
    pipelines.heal()
    outcome = made.run()
    assert outcome.verdicts() == made.healthy, outcome.output


@pytest.fixture
def validation(first: Validation) -> Iterator[Validation]:
    """A pipeline that is healed after each fault, and has nothing of ours left."""
    yield first
    first.pipe.heal()
    first.assert_nothing_of_ours_is_left()


@contextmanager
def changed(validation: Validation, **changes: str) -> Iterator[tuple[str, ...]]:
    """The sink with other settings, and the options that declare them."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    pipe = validation.pipe
    pipe.connect.put_config(SINK, connectors.config(pipe.instance, SINK) | named)
    eventually(
        lambda: (
            {k: pipe.connect.states().get(SINK).config.get(k) for k in named} == named
            and pipe.connect.states().states.get(f"{SINK}/0") == "RUNNING"
        ),
        what="the sink to run with its new settings",
    )
    try:
        yield tuple(f"--expect=connectors/{SINK}/{key} = {value}" for key, value in named.items())
    finally:
        pipe.heal()


def follow(validation: Validation, step, *ends: int) -> None:
    """Run what the check offers, as it is printed, but for the advice; `ends` are the exit statuses."""
    done = [validation.pipe.paste(command) for command in step.action if not command.startswith("#")]
    assert [one.returncode for one in done] == list(ends), [one.stdout + one.stderr for one in done]


def wrong(step) -> dict[str, str]:
    return {difference.subject: difference.found for difference in step.differences}


def test_the_round_trip_tells_every_hop_of_every_table(validation: Validation) -> None:
    outcome = validation.run()

    (page,) = [e.text for e in outcome.step("validate.3-round-trip").evidence if e.title == "Round trip"]
    hops = [line.split()[:2] for line in page.splitlines()[1:]]
    assert hops == [[table, act] for act in ("insert", "update", "delete") for table in TABLES]
    assert page.count(" ms ") == len(hops)


def test_a_sink_that_drops_deletes(validation: Validation) -> None:
    with changed(validation, delete__enabled="false") as declared:
        step = validation.assert_only(validation.run(*declared), "validate.3-round-trip")
        validation.assert_nothing_of_ours_is_left()

    assert set(wrong(step)) == {f"{table}: delete" for table in TABLES}
    assert set(wrong(step).values()) == {"not within 5 s: the row as it was updated"}


def test_updates_that_are_dropped_at_the_target(validation: Validation) -> None:
    instance = validation.pipe.instance
    databases.target(
        instance,
        """CREATE FUNCTION public.drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER drop_updates BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION public.drop_it()""",
    )
    try:
        step = validation.assert_only(validation.run(), "validate.3-round-trip")
        follow(validation, step, 0, 0, 0)  # which show where it may have stopped
    finally:
        databases.target(instance, "DROP TRIGGER drop_updates ON public.customers; DROP FUNCTION public.drop_it()")

    assert wrong(step) == {"customers: update": "not within 5 s: the row as it was inserted"}


def test_a_sink_that_fails_on_updates(validation: Validation) -> None:
    topics = connectors.config(validation.pipe.instance, SINK)["topics"].split(",")
    # a beat is an update, too: of it the task would die before anything is looked at
    without_beats = ",".join(topic for topic in topics if not topic.endswith(".cdcproof_heartbeat"))
    with changed(validation, insert__mode="insert", topics=without_beats) as declared:
        outcome = validation.run(*declared)

    # the task dies of the first update, which the soak sees too
    expected = validation.healthy | {"validate.3-round-trip": Verdict.FAILED, "validate.6-soak": Verdict.FAILED}
    assert outcome.verdicts() == expected, outcome.output
    assert (
        wrong(outcome.step("validate.3-round-trip"))["customers: update"]
        == "not within 5 s: the row as it was inserted"
    )
    assert wrong(outcome.step("validate.6-soak"))[f"{SINK}/0"].startswith("FAILED from")


def test_a_sink_that_writes_to_another_table(validation: Validation) -> None:
    instance = validation.pipe.instance
    try:
        with changed(validation, collection__name__format="other_${source.table}") as declared:
            step = validation.assert_only(validation.run(*declared), "validate.3-round-trip")
    finally:
        made = (*TABLES, "cdcproof_heartbeat")
        databases.target(instance, "".join(f"DROP TABLE IF EXISTS public.other_{table};" for table in made))

    assert wrong(step) == {f"{table}: insert": "not within 5 s: no row" for table in TABLES}


def test_a_sink_that_lags_eight_seconds(validation: Validation) -> None:
    lagging = {
        "consumer__override__fetch__min__bytes": "10000000",
        "consumer__override__fetch__max__wait__ms": "8000",
    }
    with changed(validation, **lagging) as declared:
        step = validation.assert_only(validation.run(*declared, limits=(4, 40)), "validate.3-round-trip")

    assert step.differences
    for difference in step.differences:
        assert difference.expected == "at most 4 s to the target"
        seconds = float(difference.found.removesuffix(" s to the target"))
        assert 4 < seconds < 40
    assert max(float(d.found.split()[0]) for d in step.differences) > 6


@pytest.mark.parametrize(("act", "found"), [("pause", "PAUSED"), ("stop", "STOPPED")])
def test_a_source_that_nobody_resumed(validation: Validation, act: str, found: str) -> None:
    connect = validation.pipe.connect
    getattr(connect, act)(SOURCE)
    eventually(lambda: connect.states().states[SOURCE] == found, what=f"the source to be {found}")

    step = validation.assert_only(validation.run(), "validate.2-connectors", blocked=AFTER_CONNECTORS)
    follow(validation, step, 0)

    assert set(connect.states().states.values()) == {"RUNNING"}
    assert wrong(step)[SOURCE] == found
    assert any(line.startswith(f"cdcproof connectors resume {SOURCE}") for line in step.action), step.action


@pytest.mark.parametrize(("side", "lone"), [("source", ()), ("target", ("validate.4-reconciliation",))])
def test_a_key_that_is_taken(validation: Validation, side: str, lone: tuple[str, ...]) -> None:
    """A row at the target alone differs, too."""
    instance = validation.pipe.instance
    run = getattr(databases, side)
    run(instance, "INSERT INTO public.customers (customer_id, name, email) VALUES (99999, 'Bob', 'bob@example.com')")
    try:
        eventually(lambda: databases.target(instance, OURS) == "1", what="the row at the target")
        outcome = validation.run()
        there = run(instance, "SELECT name FROM public.customers WHERE customer_id = 99999")
    finally:
        run(instance, "DELETE FROM public.customers WHERE customer_id = 99999")
        eventually(lambda: databases.target(instance, OURS) == "0", what="the row to be gone")

    expected = validation.healthy | {"validate.3-round-trip": Verdict.NOT_CHECKED}
    assert outcome.verdicts() == expected | dict.fromkeys(lone, Verdict.FAILED), outcome.output
    assert "that is not ours. Nothing was written." in outcome.step("validate.3-round-trip").reason
    assert there == "Bob"
    assert "bob@example.com" not in outcome.output


def test_pytest_is_killed_in_the_middle_of_the_round_trip(validation: Validation) -> None:
    import psycopg

    from cdcproof.environments.embedded import passwords

    pipe = validation.pipe
    validation.write(20, 60)
    target = pipe.located().target
    command = ["pytest", "-m", "validate", f"--pipeline={validation.file}", f"--reports-dir={pipe.folder}/killed"]
    with psycopg.connect(
        host=target.host, port=target.port, dbname=target.database, user="postgres",
        password=passwords.of(pipe.instance).superuser.reveal(),
    ) as lock:  # fmt: skip
        lock.execute("LOCK TABLE public.customers IN EXCLUSIVE MODE")  # reading goes on
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "-p", "no:cacheprovider"],
            cwd=ROOT, env=pipe.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            eventually(lambda: databases.source(pipe.instance, OURS) == "1", what="the test row", seconds=60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
    eventually(lambda: databases.target(pipe.instance, OURS) == "1", what="the row of the killed run", seconds=60)

    outcome = validation.run()

    assert outcome.verdicts() == validation.healthy, outcome.output
    (left,) = [
        e.text for e in outcome.step("validate.3-round-trip").evidence if e.title.startswith("Left by an earlier run")
    ]
    assert "public.customers at the source: the row as it was inserted, with customer_id = 99999" in left
    assert "public.customers at the target" in left


def test_what_nobody_declared_is_named(validation: Validation) -> None:
    with changed(validation, batch__size="1999"):
        step = validation.assert_only(validation.run(), "validate.5-baseline")
        follow(validation, step, 1)  # which shows it again

    assert wrong(step) == {f"connectors/{SINK}/batch.size": "1999"}


def test_the_file_of_a_change_declares_it(validation: Validation, tmp_path: Path) -> None:
    change = tmp_path / "change.toml"
    change.write_text(
        f'summary = "another batch size"\nrisk = "low"\ndowntime_minutes = 0\nexpect = ["connectors/{SINK}/batch.size = 1999"]\n'
    )
    with changed(validation, batch__size="1999"):
        outcome = validation.run(f"--change={change}")

    assert outcome.verdicts() == validation.healthy, outcome.output


def test_the_baselines_commands_tell_what_the_check_tells(validation: Validation) -> None:
    def baseline(*words: str) -> subprocess.CompletedProcess[str]:
        return validation.pipe.call("cdcproof", "baseline", *words)

    password = PASSWORDS["POSTGRES_PASSWORD"]
    equal = baseline("compare")
    with changed(validation, connection__password=password):
        differs = baseline("compare")
        intended = baseline("compare", "--json", f"--expect=connectors/{SINK}/connection.password")
        saved = baseline("save", f"--file={validation.file.parent}/other.json")
    shown = baseline("show")

    assert equal.returncode == 0, equal.stdout + equal.stderr
    assert "Nothing but what was intended has changed" in equal.stdout
    assert differs.returncode == 1, differs.stderr
    assert f"CHANGED   connectors/{SINK}/connection.password: expected ${{file:" in differs.stdout
    assert "found [redacted] (fingerprint " in differs.stdout
    assert intended.returncode == 0, intended.stderr
    assert [change["subject"] for change in json.loads(intended.stdout)["intended"]] == [
        f"connectors/{SINK}/connection.password"
    ]
    assert f"connectors/{SINK}/delete.enabled = true" in shown.stdout
    assert saved.returncode == 0, saved.stderr
    written = (validation.file.parent / "other.json").read_text()
    assert not [out for out in (differs.stdout, intended.stdout, shown.stdout, written) if password in out]


def test_a_service_that_did_not_come_back(validation: Validation) -> None:
    lifecycle.kill(INSTANCE, "kafka-connect")
    connectors_and_after = ("validate.2-connectors", *AFTER_CONNECTORS, "validate.5-baseline")

    step = validation.assert_only(validation.run(), "validate.1-services", blocked=connectors_and_after)
    follow(validation, step, 0, 0)

    assert wrong(step) == {"kafka-connect (connect)": "down"}
    assert set(validation.pipe.connect.states().states.values()) == {"RUNNING"}


def test_without_a_baseline_the_step_is_not_checked_and_says_how_to_record_one(validation: Validation) -> None:
    recorded = validation.pipe.located().paths.baselines / "embedded.json"
    aside = recorded.rename(recorded.with_suffix(".aside"))
    try:
        step = validation.assert_only(validation.run(), "validate.5-baseline", Verdict.NOT_CHECKED)
    finally:
        aside.rename(recorded)

    assert step.action == ("# Record one while the pipeline is right: cdcproof baseline save",)


def test_a_row_that_differs_is_found_by_the_reconciliation_alone(validation: Validation) -> None:
    instance = validation.pipe.instance
    databases.target(instance, "UPDATE public.customers SET notes = 'stale' WHERE customer_id = 1")
    try:
        step = validation.assert_only(validation.run(), "validate.4-reconciliation")
        follow(validation, step, 1, 1, 0, 0)
    except BaseException:
        databases.source(instance, "UPDATE public.customers SET notes = notes WHERE customer_id = 1")
        raise

    assert wrong(step) == {"customers": "MISMATCH"}


@contextmanager
def flapping(validation: Validation) -> Iterator[subprocess.Popen[str]]:
    """The whole suite in a process of its own, when all but the soak has been looked at."""
    pipe = validation.pipe
    validation.write(5, 5)
    command = [sys.executable, "-m", "pytest", "-m", "validate", f"--pipeline={validation.file}", "--soak=8s"]
    reports = pipe.folder / "flapping"
    process = subprocess.Popen(
        [*command, f"--reports-dir={reports}", "-p", "no:cacheprovider"],
        cwd=ROOT, env={**pipe.environment, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = "".join(iter_until(process.stdout, "test_5_baseline.py"))
        assert process.poll() is None, said
        yield process
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()


def iter_until(lines: Iterable[str], word: str) -> Iterator[str]:
    """Lines up to the first that holds it."""
    for line in lines:
        yield line
        if word in line:
            return


def flaps(validation: Validation) -> dict[str, str]:
    """What the soak found, of a run in which nothing else was red."""
    run = Run.from_dict(json.loads((validation.pipe.folder / "flapping" / "latest.json").read_text()))
    DETECTIONS.saw(run)
    verdicts = {step.step: step.verdict for step in run.steps}
    assert verdicts == validation.healthy | {"validate.6-soak": Verdict.FAILED}
    [soak] = [step for step in run.steps if step.step == "validate.6-soak"]
    return wrong(soak)


def test_a_connector_that_flaps_and_recovers_fails_the_soak(validation: Validation) -> None:
    pipe = validation.pipe
    with flapping(validation) as process:
        while process.poll() is None:
            pipe.connect.pause(SINK)
            eventually(lambda: pipe.connect.states().states[f"{SINK}/0"] == "PAUSED", what="the pause")
            pipe.connect.resume(SINK)
            eventually(lambda: pipe.connect.states().states[f"{SINK}/0"] == "RUNNING", what="the resume")

    assert "PAUSED from" in flaps(validation)[SINK]


def test_a_service_that_was_restarted_fails_the_soak(validation: Validation) -> None:
    with flapping(validation) as process:
        while process.poll() is None:
            lifecycle.restart(INSTANCE, "schema-registry", Progress())

    assert set(flaps(validation)) & {"schema-registry (registry)", "schema-registry (registry): start"}


def test_a_live_pipeline_is_only_written_to_when_that_is_allowed(validation: Validation, tmp_path: Path) -> None:
    located = validation.pipe.located()
    text = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    services = "".join(
        f'[[services]]\nname = "{name}"\nrole = "{role}"\nendpoint = "tcp://127.0.0.1:{port}"\n'
        for name, role, port in (
            ("postgres-source", "source", located.source.port),
            ("postgres", "target", located.target.port),
            ("kafka", "kafka", located.kafka.bootstrap_servers.rpartition(":")[2]),
            ("kafka-connect", "connect", located.connect.url.rpartition(":")[2]),
        )
    )
    own_services = text[text.index("[[services]]") : text.index("[[connectors]]")]
    for old, new in {
        own_services: services,
        'environment = "embedded"': 'environment = "live"',
        'name = "embedded"': 'name = "as-live"',
        "port = 5432": f"port = {located.source.port}",
        "port = 5433": f"port = {located.target.port}",
        "http://127.0.0.1:8083": located.connect.url,
        "127.0.0.1:9092": located.kafka.bootstrap_servers,
        '"reconciliation_reports"': f'"{tmp_path}/reconciliation_reports"\nbaselines = "{tmp_path}"',
        "http://127.0.0.1:9103/metrics": located.exporters.reconciliation_url,
        "http://127.0.0.1:9104/metrics": located.exporters.connect_url,
        '"warehouse.': f'"{located.tables[0].topic.partition(".")[0]}.',
    }.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "as-live.toml"
    file.write_text(text)
    saved = validation.pipe.call("cdcproof", "baseline", "save", f"--pipeline={file}")
    assert saved.returncode == 0, saved.stderr

    refused = validation.pipe.checks("validate", f"--pipeline={file}", "--soak=2s")
    allowed = validation.pipe.checks("validate", f"--pipeline={file}", "--soak=2s", "--allow-acts")

    assert refused.verdicts() == validation.healthy | {"validate.3-round-trip": Verdict.NOT_CHECKED}, refused.output
    assert "--allow-acts" in refused.step("validate.3-round-trip").action[0]
    assert allowed.verdicts() == validation.healthy, allowed.output
    assert "insert at the source: the test row of public.customers with customer_id = 99999" in allowed.output
    assert (
        "delete at the source: the test row of public.customers"
        in (validation.pipe.folder / "reports" / "acts.log").read_text()
    )
