"""Filters of a pipeline file on two real servers: what may answer otherwise at the next look is refused, all else is accepted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.connections import connect
from cdcproof.databases.contracts.database import Database
from cdcproof.databases.names import TableName
from cdcproof.reconcile.engine import Options
from cdcproof.reconcile.report.result import TableStatus
from tests.postgres_server import PASSWORD
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]

COLUMNS = "id int PRIMARY KEY, word text, day date, at timestamptz, naive timestamp, share float8, document jsonb, tags text[], mood {0}.mood"


@pytest.fixture(scope="module")
def filtered(sides: Sides) -> Sides:
    """A table with a row more at the source, and functions that are declared as users do."""
    schema = sides.schema
    body = "RETURNS boolean LANGUAGE sql {} AS 'SELECT true'"
    sides.both(
        f"CREATE TYPE {schema}.mood AS ENUM ('today', 'sad')",
        f"CREATE FUNCTION {schema}.undeclared(text) {body.format('')}",
        f"CREATE FUNCTION {schema}.lasting(text) {body.format('STABLE')}",
        f"CREATE FUNCTION {schema}.sure(text) {body.format('IMMUTABLE')}",
        f"CREATE FUNCTION {schema}.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2'",
        f"CREATE OPERATOR {schema}.=~ (FUNCTION = {schema}.same, LEFTARG = text, RIGHTARG = text)",
        f"CREATE SEQUENCE {schema}.numbers",
    )
    rows = [(i, "EU", "2026-01-02", "2026-01-02T03:04:05Z", None, 0.5, '{"a": "x"}', ["a"], "sad") for i in range(60)]
    sides.table("t", COLUMNS.format(schema), rows, rows[:-1])
    return sides


@pytest.fixture(scope="module")
def database(filtered: Sides) -> Iterator[Database]:
    with connect(filtered.source.config(), Secret(PASSWORD)) as opened:
        yield opened


@pytest.mark.parametrize(
    "condition",
    [
        "word = 'EU'",
        "id > 5 AND word LIKE 'E%' OR word IS NULL -- all the others",
        "at >= '2024-01-01'",
        "at >= DATE '2024-01-01' AND at < TIMESTAMP '2027-01-01' + INTERVAL '1 day'",
        "at::date >= '2024-01-01' AND date_trunc('month', at) < '2027-01-01' AND extract(year FROM at) = 2026",
        "to_date(document ->> 'day', 'YYYY-MM-DD') IS NULL",
        "day BETWEEN '2024-01-01' AND 'infinity'",
        "lower(word) IN ('today', 'eu') AND word <> 'now' /* 'tomorrow' */ AND word <> $$yesterday$$",
        "day > '2024-01-01' AND word <> 'the day before yesterday'",
        "mood = 'today' OR mood::text = 'sad'",
        "(document ->> 'n')::int > 5 OR document @> '{\"a\": \"x\"}'",
        "tags @> '{a}' AND 'a' = ANY (tags)",
        "(id, word) > (1, 'b') AND id % 2 = 0 AND coalesce(share, 0) > 0",
        "test_filters.sure(word)",
        "tableoid::regclass::text LIKE '%t'",
    ],
)
def test_what_depends_on_the_row_alone_is_steady(database: Database, condition: str) -> None:
    assert database.catalogue.unsteady(TableName("test_filters", "t"), condition) == ()


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("random() < 0.5", "random() is VOLATILE"),
        ("share < random()", "random() is VOLATILE"),
        ("at > now() - INTERVAL '1 day'", "now() goes with the clock"),
        ("at < clock_timestamp()", "clock_timestamp() goes with the clock"),
        ("at < statement_timestamp()", "statement_timestamp() goes with the clock"),
        ("day > CURRENT_DATE - 7", "CURRENT_DATE goes with the clock"),
        ("naive > LOCALTIMESTAMP", "LOCALTIMESTAMP goes with the clock"),
        ("age(at) < INTERVAL '1 year'", "age(timestamp with time zone) goes with the clock"),
        ("day < 'today'", "'today' stands for another moment"),
        ("at < TIMESTAMPTZ $x$now$x$", "$x$now$x$ stands for another moment"),
        ("day = ANY ('{2026-01-02, tomorrow}')", "'{2026-01-02, tomorrow}' stands for another moment"),
        ("day < ('to' || 'day')::date", "a text that is read as date"),
        ("at < (document ->> 'a')::timestamptz", "a text that is read as timestamp with time zone"),
        ("gen_random_uuid()::text > word", "gen_random_uuid() is VOLATILE"),
        ("nextval('test_filters.numbers') > 0", "nextval(regclass) is VOLATILE"),
        ("pg_backend_pid() > id", "pg_backend_pid() is STABLE"),
        ("current_setting('cdcproof.region', true) = word", "current_setting(text,boolean) is STABLE"),
        ("word = CURRENT_USER", "CURRENT_USER depends on the session"),
        ("word = SESSION_USER", "SESSION_USER depends on the session"),
        ("id IN (SELECT id FROM test_filters.t)", "a subquery reads other rows"),
        ("EXISTS (SELECT)", "a subquery reads other rows"),
        ("test_filters.undeclared(word)", "test_filters.undeclared(text) is VOLATILE"),
        ("test_filters.lasting(word)", "test_filters.lasting(text) is STABLE"),
        ("word OPERATOR(test_filters.=~) 'x'", "test_filters.same(text,text) is VOLATILE"),
        ("word OPERATOR(test_filters.=~) ANY ('{x}')", "test_filters.same(text,text) is VOLATILE"),
        ("CASE WHEN id > 5 THEN random() ELSE 1 END > 0.5", "random() is VOLATILE"),
        ("xmin::text <> '5'", "xmin is no value of the row"),
        ("ctid < '(0,20)'", "ctid is no value of the row"),
    ],
)
def test_what_may_answer_otherwise_at_the_next_look_is_named(database: Database, condition: str, part: str) -> None:
    found = database.catalogue.unsteady(TableName("test_filters", "t"), condition)
    assert [str(one)[: len(part)] for one in found] == [part]
    assert found[0].instead


def test_the_session_is_as_it_was_before_a_condition_was_judged(filtered: Sides) -> None:
    with connect(filtered.source.config(), Secret(PASSWORD)) as database:
        database.catalogue.unsteady(TableName("test_filters", "t"), "id > 5")
        size = filtered.source.log.stat().st_size
        assert "parse tree:" in filtered.source.log.read_text()
        database.catalogue.count_rows(TableName("test_filters", "t"))
        assert "parse tree" not in filtered.source.log.read_text()[size:]


def test_a_condition_that_is_no_sql_is_the_databases_error(database: Database) -> None:
    with pytest.raises(UnexpectedAnswerError, match='column "wrod" does not exist'):
        database.catalogue.unsteady(TableName("test_filters", "t"), "wrod = 'EU'")


@pytest.mark.parametrize("options", [Options(validate_checksums=True), Options(validate_checksums=False)])
@pytest.mark.parametrize("side", ["source", "target"])
def test_no_equality_is_drawn_by_lot(filtered: Sides, side: str, options: Options) -> None:
    """Rows are read by one truth, and looked at again by another: before, a lost row came to a MATCH."""
    result = filtered.result("t", options=options, **{f"{side}_filter": "random() < 0.5"})
    assert result.status is TableStatus.ERROR
    assert f"tables.{side}_filter of t in the pipeline file" in result.error
    assert "random() is VOLATILE" in result.error


@pytest.fixture(scope="module")
def views(filtered: Sides) -> Sides:
    """Views at both sides, each of a table that has a row more at the source."""
    definitions = {
        "drawn": "SELECT id, word FROM {0}.t WHERE random() < 0.5",
        "of_drawn": "SELECT d.id, d.word FROM {0}.drawn d JOIN {0}.t USING (id)",
        "recent": "SELECT id, word FROM {0}.t WHERE at > now() - INTERVAL '99 years'",
        "sampled": "SELECT id, word FROM {0}.t TABLESAMPLE BERNOULLI (50)",
        "any_of_it": "SELECT id, word FROM {0}.t ORDER BY random() LIMIT 30",
        "one_a_word": "SELECT DISTINCT ON (word) id, word FROM {0}.t ORDER BY word, random()",
        "first": "SELECT id, word FROM {0}.t LIMIT 30",
        "after": "SELECT id, word FROM (SELECT * FROM {0}.t OFFSET 3) AS o ORDER BY id LIMIT 3",
        "last": "SELECT id, word FROM {0}.t ORDER BY id LIMIT 30",
        "counted": "SELECT id, word FROM {0}.t WHERE {0}.undeclared(word)",
        "plain": 'SELECT id, word, random() AS "a (lot {{" FROM {0}.t WHERE id > 5 AND id IN (SELECT id FROM {0}.t)',
    }
    for name, select in definitions.items():
        filtered.both(f"CREATE VIEW {filtered.schema}.{name} AS {select.format(filtered.schema)}")
    filtered.both(f"CREATE MATERIALIZED VIEW {filtered.schema}.kept AS SELECT id, word FROM {filtered.schema}.drawn")
    filtered.both(f"CREATE VIEW {filtered.schema}.of_kept AS SELECT id, word FROM {filtered.schema}.kept")
    return filtered


@pytest.mark.parametrize(
    ("view", "parts"),
    [
        ("drawn", ["random() in the view test_filters.drawn is VOLATILE"]),
        ("of_drawn", ["random() in the view test_filters.drawn is VOLATILE"]),
        ("recent", ["now() in the view test_filters.recent goes with the clock"]),
        ("sampled", ["TABLESAMPLE in the view test_filters.sampled reads other rows"]),
        ("any_of_it", ["random() in the view test_filters.any_of_it is VOLATILE"]),
        ("one_a_word", ["random() in the view test_filters.one_a_word is VOLATILE"]),
        ("first", ["LIMIT or OFFSET without ORDER BY in the view test_filters.first shows whatever comes first"]),
        ("after", ["LIMIT or OFFSET without ORDER BY in the view test_filters.after"]),
        ("last", []),
        ("counted", ["test_filters.undeclared(text) in the view test_filters.counted is VOLATILE"]),
        ("plain", []),
        ("of_kept", []),
        ("t", []),
    ],
)
@pytest.mark.usefixtures("views")
def test_a_view_that_shows_other_rows_at_each_look_is_named(database: Database, view: str, parts: list[str]) -> None:
    found = database.catalogue.unsteady_view(TableName("test_filters", view))
    assert [str(one)[: len(part)] for one, part in zip(found, parts, strict=True)] == parts


@pytest.mark.parametrize("options", [Options(validate_checksums=True), Options(validate_checksums=False)])
def test_no_equality_is_drawn_by_lot_in_a_view(views: Sides, options: Options) -> None:
    result = views.result("drawn", key=("id",), options=options)
    assert result.status is TableStatus.ERROR
    assert "test_filters.drawn at the source may show a row at one look and not at the next" in result.error
    assert views.result("plain", key=("id",), exclude=("a (lot {",), options=options).status is TableStatus.MISMATCH


def test_a_rolling_window_gets_a_literal_date_to_write(filtered: Sides) -> None:
    result = filtered.result("t", source_filter="day > CURRENT_DATE - 7", target_filter="day > CURRENT_DATE - 7")
    assert result.status is TableStatus.ERROR
    assert "DATE '2026-11-01'" in result.error
    written = "day > DATE '2025-12-31'"
    assert filtered.result("t", source_filter=written, target_filter=written).example_keys == ("missing 59",)
