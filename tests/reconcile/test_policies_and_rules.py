"""What else a PostgreSQL database does to rows: policies hide some from our account, rules and triggers drop what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.names import TableName
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.engine import Options, reconcile
from cdcproof.reconcile.report.result import TableResult, TableStatus
from tests.postgres_server import PASSWORD
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

ROWS = [(n, f"v{n}") for n in range(1, 7)]
BYPASS = 'ALTER ROLE "policed" BYPASSRLS;'
COUNTS, PUSHED, STREAMED = (
    Options(validate_checksums=False),
    Options(validate_checksums=True, strategy=Strategy.PUSH_DOWN),
    Options(validate_checksums=True, strategy=Strategy.STREAM),
)


@pytest.fixture
def policed(sides: Sides) -> Iterator[Sides]:
    """The source lacks the rows that a policy of the target hides from our account: what it is shown is equal."""
    sides.table("t", "id int PRIMARY KEY, v text", ROWS[:2], ROWS)
    quoted = PASSWORD.replace("'", "''")
    sides.target.execute(
        f"CREATE ROLE policed LOGIN PASSWORD '{quoted}'",
        f"GRANT USAGE ON SCHEMA {sides.schema} TO policed",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {sides.schema} TO policed",
        f"ALTER TABLE {sides.name('t')} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY two ON {sides.name('t')} FOR SELECT TO policed USING (id < 3)",
    )
    yield sides
    sides.target.execute("DROP OWNED BY policed CASCADE", "DROP ROLE policed")


def compared(sides: Sides, table: str, options: Options) -> TableResult:
    """By an account that policies bind."""
    run = replace(sides.run(), target=sides.endpoint(sides.target, user="policed"), options=options)
    [result] = reconcile(run, [sides.pair(table)])
    return result


@pytest.mark.parametrize("options", [COUNTS, PUSHED, STREAMED], ids=["counts", "pushed", "streamed"])
def test_rows_that_a_policy_hides_are_not_taken_for_none(policed: Sides, options: Options) -> None:
    hidden = compared(policed, "t", options)
    policed.target.execute(BYPASS)
    seen = compared(policed, "t", options)

    assert hidden.status is TableStatus.ERROR
    assert "shows user policed only some of the rows" in hidden.error
    assert (seen.status, seen.source_rows, seen.target_rows) == (TableStatus.MISMATCH, 2, 6)


def test_the_account_is_known_not_to_read_the_table_whole_until_the_statement_has_run(policed: Sides) -> None:
    table = TableName(policed.schema, "t")
    with connect(policed.target.config(user="policed"), Secret(PASSWORD)) as database:
        assert database.permissions.missing([table]) == {f"all rows of {table}": BYPASS}
    policed.target.execute(BYPASS)
    with connect(policed.target.config(user="policed"), Secret(PASSWORD)) as database:
        assert database.permissions.missing([table]) == {}


def test_a_view_whose_owner_a_policy_binds_is_named_as_such(policed: Sides) -> None:
    """Our own account would bypass it in vain: in a view its owner counts."""
    view = policed.name("w")
    policed.source.execute(f"CREATE VIEW {view} AS SELECT * FROM {policed.name('t')}")
    policed.target.execute(
        f"CREATE VIEW {view} AS SELECT * FROM {policed.name('t')}", f"ALTER VIEW {view} OWNER TO policed"
    )
    run = replace(policed.run(), options=PUSHED)
    [found] = reconcile(run, [policed.pair("w", key=("id",))])

    assert found.status is TableStatus.ERROR
    assert f"only some of the rows of {policed.schema}.w, which reads another table" in found.error
    assert "let the owner of the view see all rows" in found.error


@pytest.mark.parametrize(
    "swallows",
    [
        "CREATE RULE swallow AS ON INSERT TO {} DO INSTEAD NOTHING",
        "CREATE RULE swallow AS ON INSERT TO {} WHERE new.id > 3 DO INSTEAD NOTHING",
    ],
)
def test_rows_that_a_rule_drops_are_missing_and_the_rule_alone_is_no_difference(sides: Sides, swallows: str) -> None:
    sides.table("r", "id int PRIMARY KEY, v text", ROWS, ROWS)
    sides.target.execute(swallows.format(sides.name("r")))
    assert sides.result("r").status is TableStatus.MATCH

    for server in (sides.source, sides.target):
        server.insert(sides.name("r"), [(7, "v7")])
    found = sides.result("r")

    assert (found.status, found.example_keys) == (TableStatus.MISMATCH, ("missing 7",))
