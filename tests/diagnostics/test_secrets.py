"""A secret that is anywhere in the pipeline is in no byte of the archive, in whatever form."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from cdcproof.diagnostics.collect import collect
from tests.canned import EXPANDED, connector, serving
from tests.diagnostics.worlds import World, read, whole
from tests.pipelines import pipeline_of

INLINE, IN_URL, IN_JAAS, CONTAINER = "Inline&canary/1", "url~canary#2", "jaas+canary;3", "sa:Canary?4"
PASSWORDS = {
    "SOURCE_PW": "source=canary%5",
    "TARGET_PW": "target canary\"6'",
    "CONNECT_PW": "connect-canary-7",
    "REGISTRY_PW": "registry-canary-8",
    "WRITER_PW": "writer-canary-9",
    "SOME_OTHER_TOKEN": "other-canary-10",
}
CANARIES = (INLINE, IN_URL, IN_JAAS, CONTAINER, *PASSWORDS.values())


def forms(secret: str) -> dict[str, str]:
    """How programs write a secret, made by the standard library alone."""
    data = secret.encode()
    return {
        "as it is": secret,
        "in an URL": quote(secret, safe=""),
        "in a form": quote_plus(secret),
        "twice in an URL": quote(quote(secret, safe=""), safe=""),
        "in base64": base64.b64encode(data).decode(),
        "after a user": base64.b64encode(b"admin:" + data).decode(),
        "after a longer user": base64.b64encode(b"operator:" + data + b"@host").decode(),
        "in base64 for URLs": base64.urlsafe_b64encode(b"u:" + data).decode(),
        "in hex": data.hex(),
    }


LOG = "\n".join(
    [f"2026-11-29 06:00:00,000 INFO {how}: {text} end" for secret in CANARIES for how, text in forms(secret).items()]
    + [
        f"connecting to http://admin:{quote(IN_URL, safe='')}@connect:8083/connectors",
        "ALTER ROLE cdc PASSWORD 'log-canary-11'",
        "database.password = log-canary-12",
        "Authorization: Basic " + base64.b64encode(b"me:log-canary-13").decode(),
        "-----BEGIN PRIVATE KEY-----\nlog+canary+14/log+canary\n-----END PRIVATE KEY-----",
        "amqp://user:log-canary-15@host/",
        "run --target-password log-canary-16 --tables customers",
    ]
)
IN_LOG_ALONE = [f"log-canary-{number}" for number in (11, 12, 13, 15, 16)] + ["log+canary+14"]


def test_no_byte_of_the_archive_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PASSWORDS.items():
        monkeypatch.setenv(name, value)
    config = {
        "name": "sink",
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "connection.password": INLINE,
        "connection.url": f"jdbc:postgresql://h/db?user=u&password={quote(IN_URL, safe='')}",
        "sasl.jaas.config": f'org.apache.kafka.PlainLoginModule required username="u" password="{IN_JAAS}";',
        "topics": "customers",
    }
    world = World(LOG, settings={"environment/SA_PASSWORD": CONTAINER, "image": "sqlserver:2022"})
    with serving(
        {EXPANDED: (200, {"sink": connector("sink", config)}), "GET /": (200, {"version": "3.9.2"})}
    ) as canned:
        pipeline = pipeline_of(
            "customers",
            source_type="postgresql",
            connect={"url": canned.url, "user": "admin", "password_env": "CONNECT_PW"},
            registry={"url": canned.url, "user": "admin", "password_env": "REGISTRY_PW"},
            round_trip={"source": {"user": "writer", "password_env": "WRITER_PW"}},
            kafka={"bootstrap_servers": "127.0.0.1:1"},
            paths={"reconciliation_reports": str(tmp_path / "reconciliation_reports")},
        )
        (tmp_path / "reports").mkdir()
        (tmp_path / "reports" / "acts.log").write_text(LOG)
        archive = collect(pipeline, world, output_dir=tmp_path, deadline_seconds=15)

    files = read(archive.path)
    assert b"jdbc:postgresql" in files["connect/configurations/sink.json"]
    assert b"sqlserver:2022" in files["services/kafka.json"]
    assert b"after a longer user" in files["logs/kafka.log.txt"]
    assert b"after a longer user" in files["reports/acts.log.txt"]
    data = whole(archive.path)
    found = [(s, how) for s in CANARIES for how, text in forms(s).items() if text.encode() in data]
    found += [(secret, "in the log alone") for secret in IN_LOG_ALONE if secret.encode() in data]
    assert found == []
    told = repr((archive.missing, archive.remarks, archive.files))
    assert [secret for secret in (*CANARIES, *IN_LOG_ALONE) if secret in told] == []
