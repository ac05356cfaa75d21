"""A pipeline whose every account has just the GRANTs that docs/ACCOUNTS.md prints: it is green, and each one that is taken away is named.

The statements are read from the page. PUBLIC may neither enter the databases nor use their schema meanwhile, or it would give what a role lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from cdcproof.connectors import prerequisites
from cdcproof.connectors.settings import accounts
from cdcproof.databases.connections import connect
from cdcproof.environments.embedded import connectors, passwords
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.environment import Embedded
from cdcproof.findings import Observation, Verdict
from cdcproof.monitoring.exporter.connectors import ConnectorCollector
from cdcproof.observations import readings
from cdcproof.observations.databases.own_rights import OwnRights
from cdcproof.pipeline.model import Pipeline, load
from cdcproof.reporting.record import StepRecord
from checks.morning import test_6_answers as answers
from checks.morning import test_9_tables as tables
from tests.check_in_process import judged
from tests.integration.conftest import INSTANCE, Pipelines, eventually
from tests.integration.test_exporter import LAG, UP
from tests.integration.test_morning_faults import states

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ACCOUNTS.md").read_text(encoding="utf-8")
RUN = {"source": databases.source, "target": databases.target}
OWN = {"source": "cdcproof, cdc, round_trip", "target": "cdcproof, sink, round_trip"}
"""Accounts of the embedded pipeline, which live by what PUBLIC has."""
CONNECTORS = {"least_cdc": (connectors.SOURCE, "database.user"), "least_sink": (connectors.SINK, "connection.username")}
MADE_TABLES = 'GRANT CREATE ON SCHEMA "public"'
"""What a sink needs for tables that are not there yet, as the page says."""


@dataclass(frozen=True)
class Role:
    """A section of the page: whose statements on which side, and the role of the test's that gets them."""

    title: str
    side: str
    named: str
    account: str

    def statements(self) -> list[str]:
        """As the page prints them, for the test's role; a statement on a table stands for the page's table."""
        section = PAGE.partition(f"## {self.title}\n")[2].partition("\n## ")[0]
        [block] = re.findall(r"PostgreSQL, in `\w+`:\n\n```sql\n(.*?)\n```", section, re.DOTALL)
        found = [re.sub(rf'(TO|ROLE) "{self.named}"', rf'\1 "{self.account}"', line) for line in block.splitlines()]
        assert all(f'"{self.account}"' in line for line in found), block
        return found

    def all_statements(self) -> list[str]:
        """The same with those on the page's table for each table of the pipeline."""
        return [
            line.replace('"orders"', f'"{table}"')
            for line in self.statements()
            for table in (databases.TABLES if '"orders"' in line else [""])
        ]


READERS = (
    Role("Reader of the source, and exporter", "source", "cdcproof", "least_reader"),
    Role("Reader of the target, and exporter", "target", "cdcproof", "least_reader"),
)
WRITERS = (
    Role("Writer of test rows", "source", "round_trip", "least_trip"),
    Role("Sweeper of test rows", "target", "round_trip", "least_trip"),
)
OF_CONNECTORS = (
    Role("Debezium's capture account", "source", "cdc", "least_cdc"),
    Role("The sink's account", "target", "sink", "least_sink"),
)
TWINS = tuple(replace(role, account=role.account.replace("least", "twin")) for role in OF_CONNECTORS)
"""The connectors' roles once more, from which rights are taken: a task that runs would fail."""
ROLES = (*READERS, *WRITERS, *OF_CONNECTORS, *TWINS)


def taken(statement: str) -> str:
    """What takes away what a statement of the page gives."""
    if statement.startswith("ALTER ROLE"):
        return statement.replace(" REPLICATION", " NOREPLICATION")
    return statement.replace("GRANT ", "REVOKE ", 1).replace(" TO ", " FROM ")


@dataclass(frozen=True)
class Least:
    """The pipeline by the roles of the page, and the file that names them."""

    pipelines: Pipelines
    file: Path

    @property
    def option(self) -> str:
        return f"--pipeline={self.file}"

    def pipeline(self) -> Pipeline:
        return Embedded(INSTANCE).locate(load(self.file))

    def run(self, role: Role, *statements: str) -> None:
        RUN[role.side](self.pipelines.instance, " ".join(statements))

    def own_rights(self, side: str) -> OwnRights:
        """As the fixtures `source_rights` and `target_rights`."""
        pipeline = self.pipeline()
        with connect(getattr(pipeline, side)) as session:
            return readings.own_rights(session, pipeline, side)  # type: ignore[arg-type]

    def running_rights(self, role: Role) -> Observation:
        """As the fixture of this name, if the connector of that side had the role's account."""
        pipeline = self.pipeline()
        found, unknown = accounts.own(self.pipelines.connect, pipeline)
        assert not unknown
        own = [
            replace(account, database=account.database.model_copy(update={"user": role.account}))
            for account in found
            if account.side == role.side
        ]
        return prerequisites.rights(own, lambda account: prerequisites.obstacles_of(account, pipeline))[0]

    def judged(self, role: Role) -> StepRecord:
        """What the morning's check of a role's rights says."""
        if role in (*OF_CONNECTORS, *TWINS):
            rights = partial(self.running_rights, role)
            return judged(tables.test_every_connector_may_start_again, self.pipeline(), running_rights=rights)
        check = getattr(answers, f"test_the_checks_may_look_at_the_{role.side}")
        return judged(check, self.pipeline(), **{f"{role.side}_rights": partial(self.own_rights, role.side)})


@pytest.fixture(scope="module")
def least(pipelines: Pipelines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Least]:
    instance, file = pipelines.instance, tmp_path_factory.mktemp("least") / "embedded.toml"
    known = passwords.of(instance)
    text = (ROOT / "fixtures" / "pipelines" / "embedded.toml").read_text()
    for role in (READERS[0], WRITERS[0]):
        text = text.replace(f'user = "{role.named}"', f'user = "{role.account}"')
    file.write_text(text)
    pipelines.forget_the_past()
    before = {name: connectors.config(instance, name) for name, _ in CONNECTORS.values()}
    try:
        for side, password in (("source", known.source), ("target", known.target)):
            roles = [role for role in ROLES if role.side == side]
            RUN[side](
                instance,
                f"REVOKE ALL ON DATABASE warehouse_{side} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;"
                f"GRANT CONNECT ON DATABASE warehouse_{side} TO {OWN[side]}; GRANT USAGE ON SCHEMA public TO {OWN[side]};"
                + "".join(f"CREATE ROLE {role.account} LOGIN PASSWORD '{password.reveal()}';" for role in roles)
                + "".join(line for role in roles for line in role.all_statements()),
            )
        for account, (name, key) in CONNECTORS.items():
            pipelines.connect.put_config(name, before[name] | {key: account})
        eventually(lambda: connected(pipelines), lambda found: found == set(CONNECTORS), what="both to connect")
        yield Least(pipelines, file)
    finally:
        for name, config in before.items():
            pipelines.connect.put_config(name, config)
        eventually(lambda: connected(pipelines), lambda found: not found, what="the connectors to leave")
        for side, run in RUN.items():
            accounts_here = ", ".join(role.account for role in ROLES if role.side == side)
            run(
                instance,
                f"GRANT CONNECT, TEMPORARY ON DATABASE warehouse_{side} TO PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC;"
                f"DROP OWNED BY {accounts_here}; DROP ROLE {accounts_here};",
            )
        pipelines.heal()
    pipelines.assert_healthy(pipelines.morning())


def connected(pipelines: Pipelines) -> set[str]:
    """Accounts of the test that have a session, of connectors whose tasks run."""
    asked = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE 'least%'"
    found = {user for run in RUN.values() for user in run(pipelines.instance, asked).split()}
    return found & CONNECTORS.keys() if set(states(pipelines).values()) == {"RUNNING"} else {"not running"}


def test_each_account_does_its_work_with_the_pages_grants_alone(least: Least) -> None:
    done = least.pipelines.call("cdcproof", "reconcile", least.option, "--validate-checksums")
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = least.pipelines.morning(least.option)
    assert outcome.verdicts() == least.pipelines.healthy, outcome.output
    assert outcome.exit_status == 0
    for role in (*READERS, *OF_CONNECTORS):
        assert least.judged(role).verdict is Verdict.PASSED

    served = {metric.name: metric for metric in ConnectorCollector(least.pipeline()).collect()}
    up = {sample.labels["service"]: sample.value for sample in served["cdcproof_exporter_up"].samples}
    assert up == {service: value for service, value in UP.items() if service not in ("disks", "pipeline_file")}
    sides = {sample.labels["side"] for sample in served["cdcproof_database_connections"].samples}
    assert sides == {"source", "target"}
    assert [sample.labels["connector"] for sample in served[LAG].samples] == [connectors.SOURCE]


@pytest.mark.parametrize("role", [*READERS, *TWINS], ids=lambda role: role.title)
def test_each_grant_that_is_taken_away_is_named_with_the_statement_that_gives_it_back(least: Least, role: Role) -> None:
    for statement in role.statements():
        if statement.startswith(MADE_TABLES):
            continue
        least.run(role, taken(statement))
        try:
            step = least.judged(role)
        finally:
            least.run(role, statement)
        hidden = role in READERS and ("pg_monitor" in statement or "REPLICATION" in statement)
        expected = Verdict.WARNED if hidden else Verdict.NOT_CHECKED if role in READERS else Verdict.FAILED
        assert step.verdict is expected, (statement, step)
        assert statement in " ".join(step.action), (statement, step)
    assert least.judged(role).verdict is Verdict.PASSED


def test_what_the_reader_may_not_see_makes_a_morning_and_a_reconciliation_not_green(least: Least) -> None:
    reader, read = READERS[0], 'GRANT SELECT ON "public"."orders" TO "least_reader";'
    assert read in reader.statements()
    least.run(reader, taken(read))
    try:
        outcome = least.pipelines.morning(least.option)
        done = least.pipelines.call("cdcproof", "reconcile", least.option, "--tables", "orders")
    finally:
        least.run(reader, read)
        least.pipelines.forget_reports()
        least.pipelines.report()
    expected = least.pipelines.healthy | {"morning.6-source-rights": Verdict.NOT_CHECKED}
    assert outcome.verdicts() == expected, outcome.output
    assert outcome.exit_status == 1
    step = outcome.step("morning.6-source-rights")
    assert "public.orders" in step.reason
    assert (done.returncode, read in " ".join(done.stdout.split())) == (3, True), done.stdout
