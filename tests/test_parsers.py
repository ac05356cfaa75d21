"""Whatever text or JSON a parser is given: its value, or an error that its callers turn into a sentence. Never another exception.

Half of what is given is a valid document with one place changed: that goes further into a parser than noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from cdcproof.backup import manifest
from cdcproof.clients import prometheus
from cdcproof.clients.connect import java_expressions, transforms
from cdcproof.clients.containers import compose_config, compose_file
from cdcproof.clients.containers.engine import parse_df, read_container
from cdcproof.clients.image_registry import Reference
from cdcproof.clients.schema_registry import Schema
from cdcproof.connectors.deployment import definition
from cdcproof.connectors.settings import config as settings_of
from cdcproof.connectors.settings import jdbc_url
from cdcproof.core.errors import CdcproofError
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.log import wal
from cdcproof.databases.sqlserver.log import capture_job, lsn
from cdcproof.environments import log_times
from cdcproof.environments.embedded import artifacts
from cdcproof.evidence import chain
from cdcproof.observations.schema.next_schema import with_another_column
from cdcproof.pipeline import model
from cdcproof.reconcile.report import result
from cdcproof.reconcile.slices import store
from cdcproof.reporting import journal, scheduled
from cdcproof.reporting.steps import Need
from cdcproof.validation.baseline.comparison import Expectation
from tests.engine import container

PIPELINES = Path(__file__).parents[1] / "fixtures/pipelines"
EXAMPLES = settings(max_examples=50)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 2**63])
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["", " ", "0001-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "1e400", "${x}", "\ud800", "\0"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
"""Anything that JSON can hold, and a number that is too long for Python to print."""


def places(document: Any) -> list[tuple[Any, ...]]:
    """The path to every value of a document."""
    if isinstance(document, Mapping):
        inner = list(document.items())
    else:
        inner = list(enumerate(document)) if isinstance(document, list) else []
    return [(), *((key, *rest) for key, value in inner for rest in places(value))]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document with another value in one place, or without it."""
    *path, last = draw(st.sampled_from(places(document)[1:]))
    document = deepcopy(document)
    around = document
    for key in path:
        around = around[key]
    if draw(st.booleans()):
        around[last] = draw(JSON)
    else:
        del around[last]
    return document


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """The text with a few characters more, fewer or others in one place."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    return text[:start] + draw(st.text(max_size=6) | st.sampled_from(text.split() or [""])) + text[end:]


def holds(parse: Callable[[Any], object], given: object, *errors: type[Exception]) -> None:
    """Let it parse; what it raises is one of ours, or one that its contract names."""
    with suppress(CdcproofError, *errors):
        parse(given)


METRICS = """# HELP a_total Things.
# TYPE a_total counter
a_total{table="orders",side="x\\"y"} 3.0 1700000000000
# TYPE b histogram
b_bucket{le="+Inf"} 2
b_count 2
b_sum NaN
"""
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 264212000 43000000 81000000 35% /data\n"
LOCK = f"[kafka]\norg.apache.kafka:kafka-clients:4.1.0 {'a' * 64}\n"
AVRO = json.dumps(
    {
        "type": "record",
        "name": "Envelope",
        "fields": [{"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": []}]}],
    }
)
JAVA = r"(?<topic>[\w.]+)\.(\p{Alpha}+)-\Q.x\E$"
JDBC = "jdbc:postgresql://me@[::1]:5433,b:5432/shop?currentSchema=%22s%22&user=u"
MSSQL = "jdbc:sqlserver://sql\\one:1433;databaseName={a;b}};encrypt=false;instanceName=x"
COMPOSE = "services:\n  kafka:\n    image: kafka:4\n    ports: ['9092:9092/tcp', {target: 1, published: '2'}]\n    mem_limit: 1.5g\n"


def _compose(text: str) -> object:
    return compose_file.said(compose_config._read(text, ()))


def _schema(text: str) -> object:
    return with_another_column(Schema(text))


TEXTS: dict[str, tuple[Callable[[str], object], str, tuple[type[Exception], ...]]] = {
    "metrics": (lambda text: prometheus.parse(text, "http://x"), METRICS, ()),
    "df": (lambda text: parse_df(text, 1), DF, ()),
    "artifacts": (artifacts.parse, LOCK, ()),
    "table": (TableName.parse, "dbo.Orders", ()),
    "need": (Need.parse, "morning.1-services:kafka", ()),
    "expectation": (Expectation.parse, "topics/wh.orders/* = 3", (ValueError,)),
    "image": (Reference.parse, "localhost:5000/a/b:1.2@sha256:ab", ()),
    "LSN": (lsn.of_text, "0000002d:00000b70:0003", (ValueError,)),
    "JDBC URL of PostgreSQL": (lambda text: jdbc_url.read(text, None), JDBC, ()),
    "JDBC URL of SQL Server": (lambda text: jdbc_url.read(text, None), MSSQL, ()),
    "Java expression": (
        lambda text: java_expressions.match(text, "wh.orders-x"),
        JAVA,
        (java_expressions.UnreadableError,),
    ),
    "log": (lambda text: log_times.since(text, 1_700_000_000), "[2026-11-29 17:00:00,123+0200] INFO x\n", ()),
    "compose file": (_compose, COMPOSE, ()),
    "schema": (_schema, AVRO, ()),
    "pipeline file": (
        lambda text: model.parse(text, Path("p.toml")),
        (PIPELINES / "warehouse.toml").read_text(),
        (),
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_parsed_or_refused(name: str) -> None:
    parse, sample, errors = TEXTS[name]

    @EXAMPLES
    @given(st.text() | edited(sample))
    def given_texts(text: str) -> None:
        holds(parse, text, *errors)

    given_texts()


OFFSET = {"commit_lsn": "0000002d:00000b70:0003", "change_lsn": "0000002d:00000b70:0002", "event_serial_no": 2}
POSTGRES_OFFSET = {"lsn": 24023128, "lsn_proc": 24023128, "lsn_commit": 24023128, "txId": 555, "ts_usec": 1}
ROUTED: dict[str, Any] = {
    "transforms": "route,unwrap",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": "wh\\.(.*)",
    "transforms.route.replacement": "$1",
    "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "connection.url": JDBC,
    "connection.username": "u",
}
"""Connect gives every setting as a text."""


def _texts_of(config: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in config.items()} if isinstance(config, dict) else {}


DOCUMENTS: dict[str, tuple[Callable[[Any], object], Any, tuple[type[Exception], ...]]] = {
    "container": (read_container, container("kafka"), ()),
    "SQL Server's offset": (capture_job.read_of, OFFSET, (ValueError,)),
    "PostgreSQL's offset": (wal.committed, POSTGRES_OFFSET, (ValueError,)),
    "routing": (lambda config: transforms.route(_texts_of(config), "wh.orders"), ROUTED, ()),
    "tombstones": (lambda config: transforms.drops_tombstones(_texts_of(config)), ROUTED, ()),
    "sink's address": (lambda config: settings_of.sink_address(_texts_of(config)), ROUTED, ()),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_read_or_refused(name: str) -> None:
    read, sample, errors = DOCUMENTS[name]

    @EXAMPLES
    @given(changed(sample))
    def given_documents(document: Any) -> None:
        holds(read, document, *errors)

    given_documents()


def _manifest() -> dict[str, Any]:
    side = {"side": "source", "type": "postgresql", "database": "shop", "files": [], "rows": {"public.orders": 5}}
    return {"format": manifest.FORMAT, "backup": "b", "databases": [side], "files": [], "notes": [], "parts": {}}


def _report() -> dict[str, Any]:
    when = "2026-01-02T03:04:05+00:00"
    changed = result.KeyDifference("changed", {"id": "1"}, ("name",), 1, 1)
    proof = result.SelfProof(9, "equal", (result.MutantResult("a row dropped", "caught"),))
    scrubbed = result.Scrubbed(0, "the slot", 1, 1, 0, when)
    table = result.TableResult(
        "a", result.TableStatus.MISMATCH, 5, 5, False, differences=(changed,), self_proof=proof, scrubbed=scrubbed
    )
    report = result.Report("run", when, when, "postgresql://h:1/s", "postgresql://h:2/t", "timer", (table,))
    found: dict[str, Any] = json.loads(result._text(report))
    return found


SINK = {"name": "sink", "config": {**ROUTED, "tasks.max": "1"}}
FILES: dict[str, tuple[Callable[[Path], object], Any]] = {
    "report": (result.read, _report()),
    "manifest": (lambda path: manifest.read(path.parent), _manifest()),
    "connector": (definition.read, SINK),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    read, sample = FILES[name]
    path = tmp_path / (manifest.MANIFEST if name == "manifest" else "file.json")

    @EXAMPLES
    @given(changed(sample).map(json.dumps) | edited(json.dumps(sample)) | st.binary(max_size=40))
    def given_files(content: str | bytes) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        holds(read, path)

    given_files()


DEEP = "[" * 100_000


@pytest.mark.parametrize("name", ["compose file", "schema"])
def test_a_text_of_brackets_without_end_is_refused(name: str) -> None:
    holds(TEXTS[name][0], DEEP)


LONG = f'{{"version": {"9" * 5_000}}}'


@pytest.mark.parametrize("text", [DEEP, LONG], ids=["brackets without end", "a number of 5,000 digits"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_brackets_or_digits_without_end_is_refused(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / (manifest.MANIFEST if name == "manifest" else "file.json")
    path.write_text(text)
    with pytest.raises(CdcproofError) as raised:
        FILES[name][0](path)
    assert str(path) in str(raised.value)


@given(st.integers(0, 2**80 - 1))
def test_a_log_sequence_number_survives_its_three_spellings(value: int) -> None:
    assert lsn.of_text(lsn.text(value)) == value
    assert lsn.of_binary(lsn.binary(value)) == value


names = st.text(st.characters(exclude_characters="."), min_size=1, max_size=8)


@given(names, st.text(min_size=1, max_size=8))
def test_a_tables_name_survives_its_spelling(schema: str, table: str) -> None:
    assert TableName.parse(str(TableName(schema, table))) == TableName(schema, table)


words = st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True)


@given(words, st.integers(1, 65_535), words, words)
def test_a_jdbc_url_is_read_as_it_was_made(host: str, port: int, database: str, user: str) -> None:
    ours = jdbc_url.read(f"jdbc:postgresql://{host}:{port}/{database}?user={user}", None)
    theirs = jdbc_url.read(f"jdbc:sqlserver://{host}:{port};databaseName={database};user={user}", None)
    assert ours
    assert theirs
    for found in (ours, theirs):
        assert (found.host, found.port, found.database, found.user) == (host, port, database, user)
        assert found.doubts == ()


values = st.floats(allow_nan=False)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(max_size=8), max_size=3), values)
def test_a_series_is_read_as_prometheus_own_client_writes_it(labels: dict[str, str], value: float) -> None:
    labels = {f"l_{name}": text for name, text in labels.items()}
    registry = CollectorRegistry()
    gauge = Gauge("cdcproof_x", "X.", tuple(labels), registry=registry)
    (gauge.labels(**labels) if labels else gauge).set(value)
    page = prometheus.parse(generate_latest(registry).decode(), "http://x")
    assert page.series("cdcproof_x") == {tuple(sorted(labels.items())): value}


def test_files_of_ours_that_are_damaged_by_brackets_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(DEEP)
    with pytest.raises(ValueError, match="nested too deeply"):
        store.read(path)
    assert journal._read(path) is None
    assert scheduled._last_success(path) is None
    assert chain._content(DEEP.encode()) is None
