from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdcproof.databases.contracts.database import Isolation
from cdcproof.environments.live import Live
from cdcproof.onboarding import access
from cdcproof.onboarding.access import Item, Outcome, exit_status, look
from cdcproof.pipeline.model import PLACEHOLDER, Exporters, Pipeline
from cdcproof.reconcile.report.ownership import place_of
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of
from tests.postgres_server import PASSWORD, Servers

pytest_plugins = ["tests.postgres_server"]

TODAY = date(2026, 11, 23)
CLOSED = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)


def items(pipeline: Pipeline, subject: str, outcome: Outcome | None = None) -> list[Item]:
    seen = look(Live(), pipeline, TODAY)
    return [i for i in seen if i.subject == subject and outcome in (None, i.outcome)]


def closed(**more: Any) -> Pipeline:
    """A pipeline of which nothing answers."""
    nowhere = {"type": "postgresql", "host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "schema": "public"}
    return pipeline_of(
        "orders",
        **{
            "source": {**nowhere, "password_env": "POSTGRES_PASSWORD"},
            "target": {**nowhere, "password_env": "POSTGRES_PASSWORD"},
            "connect": {"url": CLOSED},
            "kafka": {"bootstrap_servers": "127.0.0.1:1"},
            "registry": {"url": CLOSED},
            "prometheus": {"url": CLOSED},
            "alertmanager": {"url": CLOSED},
            "pushgateway": {"url": CLOSED},
            "exporters": {"reconciliation_url": f"{CLOSED}/metrics", "connect_url": f"{CLOSED}/metrics"},
            "services": [{"name": "kafka", "role": "kafka", "endpoint": "tcp://127.0.0.1:1"}],
            "paths": {"reconciliation_reports": "/nowhere/reconciliation_reports"},
            **more,
        },
    )


def test_everything_that_does_not_answer_is_named_and_is_not_wrong() -> None:
    seen = look(Live(), closed(), TODAY)
    unseen = {i.subject for i in seen if i.outcome is Outcome.UNSEEN}
    assert unseen >= {
        "source",
        "target",
        "connect",
        "kafka",
        "registry",
        "prometheus",
        "alertmanager",
        "pushgateway",
        "exporters.reconciliation_url",
        "exporters.connect_url",
        "services",
        "paths",
    }
    assert exit_status(seen) == 3


def test_a_password_that_is_not_set_is_could_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_PASSWORD")
    [item] = items(closed(), "source")
    assert item.outcome is Outcome.UNSEEN
    assert "POSTGRES_PASSWORD" in item.text
    assert item.remedy.startswith("export POSTGRES_PASSWORD=")


@pytest.mark.parametrize(
    ("isolation", "outcome"),
    [
        (Isolation("SNAPSHOT", "row versions stay in tempdb"), Outcome.OK),
        (Isolation("READ COMMITTED", "a lock makes an ERROR", "ALTER DATABASE [d] …"), Outcome.RISK),
    ],
)
def test_how_sql_server_is_read_is_told_with_its_cost_and_what_would_be_better(
    monkeypatch: pytest.MonkeyPatch, isolation: Isolation, outcome: Outcome
) -> None:
    session = nullcontext(SimpleNamespace(version=lambda: "16", isolation=lambda: isolation))
    monkeypatch.setattr(access, "open_database", lambda _: session)
    config = {"type": "sqlserver", "host": "h", "port": 1, "database": "d", "user": "u", "schema": "dbo"}
    seen = access._database(closed(source={**config, "password_env": "P"}), "source")
    _, item = islice(seen, 2)
    assert item == Item("source", outcome, f"tables are read under {isolation}", isolation.remedy)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [([], 0), (["ok", "risk"], 0), (["ok", "could not look"], 3), (["could not look", "wrong"], 2)],
)
def test_the_exit_status_says_what_is_missing(outcomes: list[str], status: int) -> None:
    assert exit_status(tuple(Item("x", Outcome(o), "") for o in outcomes)) == status


def test_a_topic_and_a_target_that_init_could_not_learn_are_wrong_and_named_once() -> None:
    table = {"name": "orders", "source": "a.orders", "target": PLACEHOLDER, "topic": PLACEHOLDER, "key": ["id"]}
    services = [{"name": "pg", "role": "target", "endpoint": f"tcp://{PLACEHOLDER}:5432"}]
    seen = look(Live(), closed(tables=[table], services=services), TODAY)
    wrong = [item.subject for item in seen if item.outcome is Outcome.WRONG]
    assert wrong == ["services.pg.endpoint", "tables.orders.target", "tables.orders.topic"]


def test_a_placeholder_is_wrong_and_named_and_its_section_not_tried() -> None:
    table = {"name": "orders", "source": "a.orders", "target": "b.orders", "topic": "t", "key": [PLACEHOLDER]}
    seen = look(Live(), closed(kafka={"bootstrap_servers": PLACEHOLDER}, tables=[table]), TODAY)
    wrong = {i.subject for i in seen if i.outcome is Outcome.WRONG}
    assert wrong == {"kafka.bootstrap_servers", "tables.orders.key"}
    assert "kafka" not in {i.subject for i in seen}


def test_waivers_are_told_and_an_expired_one_is_wrong() -> None:
    reason = "known and accepted for now"
    waivers = [
        {"step": "morning.1-services", "reason": reason, "expires": "2026-11-22"},
        {"step": "morning.5-disk", "reason": reason, "expires": "2026-11-23"},
    ]
    assert [(i.outcome, i.text) for i in items(closed(waivers=waivers), "waivers")] == [
        (Outcome.WRONG, "the waiver for morning.1-services expired on 2026-11-22"),
        (Outcome.RISK, f"morning.5-disk is waived until 2026-11-23: {reason}"),
    ]


def test_addresses_for_messages_are_read_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    made = closed(notify={"urls_env": "TEST_NOTIFY_URLS"})
    monkeypatch.setenv("TEST_NOTIFY_URLS", "json://user:pass-canary@127.0.0.1:1/x slack://token-canary")
    seen = items(made, "notify")
    assert [(i.outcome, i.text.partition(" ")[0]) for i in seen] == [
        (Outcome.OK, "json://…"),
        (Outcome.RISK, "slack://…"),
    ]
    assert "canary" not in str(seen)
    monkeypatch.delenv("TEST_NOTIFY_URLS")
    assert [i.outcome for i in items(made, "notify")] == [Outcome.UNSEEN]
    assert items(closed(), "notify") == []


def test_paths_are_tried(tmp_path: Path) -> None:
    paths = {
        "reconciliation_reports": str(tmp_path / "none"),
        "backups": str(tmp_path / "gone"),
        "volumes": [str(tmp_path)],
    }
    found = [(i.outcome, i.text.split(":")[0]) for i in items(closed(paths=paths), "paths")]
    assert found == [
        (Outcome.UNSEEN, "reconciliation_reports"),
        (Outcome.WRONG, "backups"),
        (Outcome.OK, "volumes[0]"),
    ]


def test_connectors_are_compared_and_inline_passwords_are_a_risk() -> None:
    reported = {
        "source": connector(
            "source", {"name": "source", "database.password": "${file:/s:p}", "x.credentials.source": "USER_INFO"}
        ),
        "sink": connector("sink", {"name": "sink", "connection.password": "inline-pw"}),
        "extra": connector("sink", {"name": "extra", "connection.url": "jdbc:postgresql://h/d?password=inline-too"}),
        "own": connector("sink", {"name": "own", "consumer.override.group.id": "its-own"}),
        "other": connector("sink", {"name": "other", "consumer.override.group.id": "its-own"}),
    }
    expected = [
        {"name": "source", "kind": "source"},
        {"name": "sink", "kind": "sink", "tasks": 2},
        {"name": "absent", "kind": "sink"},
        {"name": "own", "kind": "sink", "group": "its-own"},
        {"name": "other", "kind": "sink"},
    ]
    with serving({"GET /": (200, {"version": "3.9.2"}), EXPANDED: (200, reported)}) as server:
        seen = look(Live(), closed(connect={"url": server.url}, connectors=expected), TODAY)
    found = {i.text: i.outcome for i in seen if i.subject == "connectors"}
    assert found == {
        "source, a source, 1 task": Outcome.OK,
        "sink has 1 task; the file says 2": Outcome.WRONG,
        "Connect has no absent": Outcome.WRONG,
        "own, a sink, 1 task": Outcome.OK,
        "other consumes as its-own; by the file it is connect-other": Outcome.WRONG,
        "extra runs, but the file does not expect it": Outcome.WRONG,
        "sink has a password in clear, readable by whoever reaches Connect: connection.password": Outcome.RISK,
        "extra has a password in clear, readable by whoever reaches Connect: connection.url": Outcome.RISK,
    }


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('reconciliation_row_count_mismatch_total{table="orders"} 0\n', Outcome.OK),
        ('reconciliation_row_count_mismatch_total{table="other"} 0\n', Outcome.WRONG),
        (
            'reconciliation_row_count_mismatch_total{table="orders"} 0\n'
            'cdcproof_exporter_info{pipeline="other",source="",target=""} 1\n',
            Outcome.WRONG,
        ),
        ("<html>", Outcome.UNSEEN),
    ],
)
def test_an_exporter_must_serve_this_pipeline(text: str, outcome: Outcome) -> None:
    with serving({"GET /metrics": (200, text.encode())}) as server:
        url = f"{server.url}/metrics"
        exporters = {"reconciliation_url": url, "connect_url": url}
        [item] = items(closed(exporters=exporters), "exporters.reconciliation_url")
    assert item.outcome is outcome


@pytest.mark.parametrize(
    ("up", "series", "outcome"),
    [
        ('cdcproof_exporter_up{service="connect"} 0\n', "", Outcome.UNSEEN),
        ('cdcproof_exporter_up{service="connect"} 1\n', "", Outcome.WRONG),
        ('cdcproof_exporter_up{service="disks"} 0\n', 'connector_state{connector="source"} 1\n', Outcome.OK),
    ],
)
def test_an_exporter_that_could_not_look_itself_makes_the_file_not_wrong(
    up: str, series: str, outcome: Outcome
) -> None:
    pipeline = closed(connectors=[{"name": "source", "kind": "source"}])
    places = f'source="{place_of(pipeline.source)}",target="{place_of(pipeline.target)}"'
    text = f'cdcproof_exporter_info{{pipeline="{pipeline.name}",{places}}} 1\n{up}{series}'
    with serving({"GET /metrics": (200, text.encode())}) as server:
        url = f"{server.url}/metrics"
        [item] = items(pipeline.model_copy(update={"exporters": Exporters(connect_url=url)}), "exporters.connect_url")
    assert (item.outcome, exit_status((item,))) == (outcome, {"could not look": 3, "wrong": 2, "ok": 0}[outcome])


def _on(servers: Servers, **more: Any) -> Pipeline:
    def dump(config: Any) -> dict[str, Any]:
        return dict(config.model_dump(by_alias=True))

    return closed(
        source=dump(servers.source.config(user="access_reader", publication="access", **more)),
        target=dump(servers.target.config()),
        tables=[
            {"name": n, "source": f"public.{n}", "target": f"public.{n}", "topic": n, "key": ["id"]}
            for n in ("good", "keyless", "secret", "gone")
        ],
    )


@pytest.fixture(scope="module")
def databases(postgres_servers: Servers) -> Callable[[], Pipeline]:
    postgres_servers.source.execute(
        "CREATE TABLE good (id int PRIMARY KEY)",
        "CREATE TABLE keyless (id int)",
        "CREATE TABLE secret (id int PRIMARY KEY)",
        f"CREATE ROLE access_reader LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'",
        "GRANT SELECT ON good, keyless TO access_reader",
        "CREATE PUBLICATION access FOR TABLE good, secret",
    )
    return lambda: _on(postgres_servers)


def test_tables_keys_publication_and_permissions_are_compared_with_the_database(
    databases: Callable[[], Pipeline],
) -> None:
    found = items(databases(), "source")
    reported = [(i.outcome, i.text) for i in found]
    assert (Outcome.UNSEEN, "access_reader lacks a permission: public.secret") in reported
    assert 'GRANT SELECT ON "public"."secret" TO "access_reader";' in [i.remedy for i in found]
    assert (Outcome.WRONG, "public.keyless has no primary key; the file says id") in reported
    assert (Outcome.WRONG, "public.gone does not exist in postgres, or access_reader may not see it") in reported
    assert [t for o, t in reported if o is Outcome.WRONG and t.startswith("not in publication access")] == [
        "not in publication access: public.keyless"
    ]
    assert PASSWORD not in str(found)


def test_partitions_and_the_table_that_they_make_are_there_and_captured(
    databases: Callable[[], Pipeline], postgres_servers: Servers
) -> None:
    server = postgres_servers.source
    server.execute(
        "CREATE TABLE ev (id int, r text, PRIMARY KEY (id, r)) PARTITION BY LIST (r)",
        "CREATE TABLE ev_eu PARTITION OF ev FOR VALUES IN ('eu')",
        "CREATE TABLE ev_us PARTITION OF ev FOR VALUES IN ('us')",
        "GRANT SELECT ON ev, ev_eu, ev_us TO access_reader",
        "ALTER PUBLICATION access ADD TABLE ev",
    )
    [table, *_] = databases().tables
    tables = tuple(
        table.model_copy(update={"name": n, "source": f"public.{n}", "key": ("id", "r")})
        for n in ("ev", "ev_eu", "ev_us")
    )
    try:
        found = items(databases().model_copy(update={"tables": tables}), "source")
        reported = [i.text for i in found if i.outcome is Outcome.OK]
        assert [i.text for i in found if i.outcome is Outcome.WRONG] == []
        assert "3 tables are there, with the keys that the file names" in reported
        assert "publication access has all 3 tables" in reported
    finally:
        server.execute("DROP TABLE ev")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("id > 5", []),
        ("random() < 0.5", ["tables.source_filter of good", "random() is VOLATILE"]),
        ("wrod = 'EU'", ['column "wrod" does not exist']),
    ],
)
def test_a_filter_is_tried(databases: Callable[[], Pipeline], condition: str, said: list[str]) -> None:
    [table, *_] = databases().tables
    tables = (table.model_copy(update={"source_filter": condition}),)
    wrong = [
        i for i in items(databases().model_copy(update={"tables": tables}), "source") if i.outcome is Outcome.WRONG
    ]
    assert [all(part in i.text for part in said) for i in wrong] == [True] * bool(said)
    assert all("tables.source_filter of good" in i.remedy for i in wrong)


def test_nothing_is_said_of_capture_where_no_table_is_there(databases: Callable[[], Pipeline]) -> None:
    pipeline = databases()
    gone = tuple(table for table in pipeline.tables if table.source == "public.gone")
    found = items(pipeline.model_copy(update={"tables": gone}), "source")
    assert [i.text for i in found if "publication" in i.text] == []


def test_a_wrong_password_is_could_not_look(databases: Callable[[], Pipeline], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "not-the-password")
    [item] = items(databases(), "source")
    assert item.outcome is Outcome.UNSEEN
    assert "not-the-password" not in str(item)


@pytest.fixture
def travelling(postgres_servers: Servers) -> Iterator[Callable[..., Pipeline]]:
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute("CREATE TABLE travelling (id int PRIMARY KEY, name text)")
    table = {"name": "t", "source": "public.travelling", "target": "public.travelling", "topic": "t", "key": ["id"]}
    row = {"test_row": {"id": 9, "name": "Test"}, "test_update": {"name": "changed"}}

    def made(**more: Any) -> Pipeline:
        sides = {
            side: dict(getattr(postgres_servers, side).config().model_dump(by_alias=True))
            for side in ("source", "target")
        }
        return closed(**sides, tables=[{**table, **row}], **more)

    yield made
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute("DROP TABLE travelling")


def test_the_round_trips_accounts_and_keys_are_tried(
    travelling: Callable[..., Pipeline], postgres_servers: Servers
) -> None:
    assert [(i.outcome, i.text) for i in items(travelling(), "round_trip")] == [
        (Outcome.OK, "both accounts can read, and the keys of the test rows are free: t")
    ]
    postgres_servers.target.execute("INSERT INTO travelling VALUES (9, 'changed')")
    assert [i.outcome for i in items(travelling(), "round_trip")] == [Outcome.RISK, Outcome.OK]
    postgres_servers.source.execute("INSERT INTO travelling VALUES (9, 'Bob')")
    (taken,) = items(travelling(), "round_trip")
    assert (taken.outcome, "that is not ours" in taken.text) == (Outcome.WRONG, True)


def test_an_account_of_the_round_trip_without_a_password_is_named(travelling: Callable[..., Pipeline]) -> None:
    account = {"source": {"user": "writer", "password_env": "WRITER_PASSWORD_THAT_IS_NOT_SET"}}

    (item,) = items(travelling(round_trip=account), "round_trip")

    assert item.outcome is Outcome.UNSEEN
    assert "WRITER_PASSWORD_THAT_IS_NOT_SET" in item.text


def test_what_the_exporter_needs_beyond_the_checks_is_tried(
    databases: Callable[[], Pipeline], postgres_servers: Servers
) -> None:
    beat = {"source": "public.access_beat", "target": "public.access_beat"}
    pipeline = Pipeline.model_validate(databases().model_dump(by_alias=True) | {"freshness": beat})
    source = pipeline.source.model_copy(update={"slot": "access_slot", "publication": "access"})
    pipeline = pipeline.model_copy(update={"source": source})
    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(
            "CREATE TABLE access_beat (id int PRIMARY KEY, beat_at bigint)", "GRANT SELECT ON access_beat TO PUBLIC"
        )
    postgres_servers.source.execute(
        "SELECT pg_create_logical_replication_slot('access_slot', 'pgoutput')",
        "INSERT INTO access_beat VALUES (1, 1795973696789)",
    )
    try:
        [lag] = [i for i in items(pipeline, "source", Outcome.RISK) if "lag" in i.text]
        fresh = items(pipeline, "freshness")
        postgres_servers.source.execute(lag.remedy.partition("--")[0])
        assert [i for i in items(pipeline, "source", Outcome.RISK) if "lag" in i.text] == []
    finally:
        postgres_servers.source.execute(
            "SELECT pg_drop_replication_slot('access_slot')",
            "ALTER ROLE access_reader NOREPLICATION",
            "DROP TABLE access_beat",
        )
        postgres_servers.target.execute("DROP TABLE access_beat")
    assert lag.text.startswith("the exporter cannot count the source's lag: ")
    assert lag.remedy.startswith('ALTER ROLE "access_reader" REPLICATION;')
    assert [(i.outcome, "1795973696789" in i.text, "is empty" in i.text) for i in fresh] == [
        (Outcome.OK, True, False),
        (Outcome.RISK, False, True),
    ]
