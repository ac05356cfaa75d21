"""Run every case of a folder of inputs that once got a wrong answer: `python scripts/ci/cases.py CASES [NAME…]`.

A case is a folder (its README: try, got, right) or a fault, a script of `chaos/`. With NAME, those run whose name starts so. For each
`OK`, `BAD` with the reason or `NOT RUN` with what is missing is printed; the exit status is 1 if any is BAD. What needs a Kafka Connect
runs at the end, on an embedded pipeline of its own ($CDCPROOF_INSTANCE, else `cases`), which is started and stopped here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from case_embedded import case_20, case_22, case_30, fault  # noqa: F401  found by their names
from case_tools import (
    CASES,
    HOST,
    OPEN,
    NotRun,
    Work,
    Wrong,
    call,
    compare,
    database,
    equal,
    has,
    lacks,
    live,
    need,
    servers,
    stand_in,
)  # fmt: skip

UNKNOWN = "TO-BE-FILLED-IN"


def repaired(work: Work, pipeline: Path) -> tuple[int, str]:
    call("cdcproof", "reconcile", f"--pipeline={pipeline}", "--validate-checksums", "--settle-seconds=1")
    return call("cdcproof", "reconcile", "repair", f"--pipeline={pipeline}", "--settle-seconds=1", "--allow-acts")


def morning(work: Work, pipeline: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """Step to its record."""
    call("pytest", "-m", "morning", "-q", f"--pipeline={pipeline}", f"--reports-dir={work}/out", **environment)
    return {step["step"]: step for step in json.loads((work / "out" / "latest.json").read_text())["steps"]}


def case_01(case: Path, work: Work) -> None:
    name = database(case)
    code, said = repaired(work, live(work, name, "customers"))
    with servers().target.connect(name) as target:
        row = target.execute("SELECT id, name, created_at, doc::text FROM customers WHERE id = 5").fetchone()
    if row is None:  # refused
        has(said, "--signal", "__deleted")
        need(code, "exit 0, and nothing was repaired")
    else:
        equal(row, (5, "n5", 1704067205000000, '{"a": 1}'))


def case_02(case: Path, work: Work) -> None:
    code, said, summary = compare(work, database(case))
    need(code in (1, 3) and summary["t"] in ("INCOMPLETE", "MISMATCH", "ERROR"), said)


def case_03(case: Path, work: Work) -> None:
    name = database(case)
    servers().source.execute(f"ALTER DATABASE {name} SET array_nulls = off")
    code, said, summary = compare(work, name)
    equal((code, summary), (1, {"t": "MISMATCH"}))
    has(said, "77")


def case_04(case: Path, work: Work) -> None:
    name, target = database(case), servers().target
    for strategy in ("--strategy=stream", "--strategy=push-down"):
        code, said, summary = compare(work, name, "t,t_key", strategy)
        equal((code, summary), (0, {"t": "MATCH", "t_key": "MATCH"}))
        lacks(said, "left out", "not compared")
    wrong = {"g": "md5('x')::uuid::text", "ts": "ts + 1", "d": "d + 1", "tm": "tm + 1", "n": "n + 0.01", "n2": "'7.77'"}
    wrong |= {"b": "1 - b", "z": "'2024-01-01T03:00:01Z'", "y": "'AAAABA=='"}
    target.execute("CREATE TABLE kept AS SELECT * FROM t", database=name)
    for column, value in wrong.items():
        target.execute(f"UPDATE t SET {column} = {value} WHERE id = 3", database=name)
        code, said, summary = compare(work, name)
        equal((column, code, summary), (column, 1, {"t": "MISMATCH"}))
        target.execute("TRUNCATE t", "INSERT INTO t SELECT * FROM kept", database=name)
    target.execute("UPDATE t_key SET v = 0 WHERE v = 3", database=name)
    equal(compare(work, name, "t_key")[2], {"t_key": "MISMATCH"})


def case_32(case: Path, work: Work) -> None:
    code, said, _ = compare(work, database(case))
    equal(code, 1)
    has(said, "FirstName, LastName", 'FirstName = "first_name"', 'LastName = "last_name"')


def case_34(case: Path, work: Work) -> None:
    with stand_in("fake_pooler.py", "PORT", "unsupported startup parameter: options") as port:
        code, said, _ = compare(work, database(case, "SELECT 1", "SELECT 1"), port=port)
    equal(code, 3)
    has(said, "pooler")
    lacks(said, "its password")


# fmt: off
TWO = ["dbo.customers", "dbo.orders"]
INIT: dict[str, list[tuple[tuple[str, ...], dict[str, Any], tuple[str, ...]]]] = {
    # by number: file, text in it and what takes its place, option; what the pipeline file says; words of the notes
    "06": [((), {"tables.topic": ["mssql.shop.dbo.Customers", "mssql.shop.dbo.Order_Details"], "tables.target": ["public.Customers", "public.Order_Details"]}, ())],
    "07": [((), {"tables.source": ["dbo.Customers", "dbo.Orders"], "tables.topic": ["mssql.shop.dbo.Customers", "mssql.shop.dbo.Orders"]}, ())],
    "08": [((), {"tables.topic": [f"mssql.shop_eu.{t}" for t in TWO]}, ("shop_us", "--source-database")),
           (("connect.json", "", "", "--source-database=shop_us"), {"source.database": "shop_us", "tables.topic": [f"mssql.shop_us.{t}" for t in TWO], "tables.target": ["public.shop_us_customers", "public.shop_us_orders"]}, ())],
    "09": [((), {"target.host": UNKNOWN, "target.user": UNKNOWN, "target.port": 5432, "target.database": "shop_target", "connectors.tasks": [3, 1], "tables.topic": [f"mssql.shop.dbo.{t}" for t in ("customers", "orders", "line_items")]}, ())],
    "10": [((), {"source.database": "crm", "target.database": "crm_target"}, ("b-source-erp", "a-sink-erp")),
           (("connect.json", "", "", "--source-connector=b-source-erp"), {"source.database": "erp", "target.database": "erp_target"}, ())],
    "11": [((), {"tables.target": ["raw.customers", "raw.orders"]}, ("mart.customers", "mart.orders", "snk-b"))],
    "13": [((), {"tables.target": [UNKNOWN] * 2}, ("TimestampRouter", "ChangeTopicCase")),
           (("connect.json", '"unwrap,day,case"', '"unwrap", "collection.naming.strategy": "com.example.Naming"'), {"tables.target": [UNKNOWN] * 2}, ("com.example.Naming",))],
    "14": [((), {"tables.target": ["public.customers", "public.orders"]}, ()), (("connect-class.json",), {"tables.source": TWO}, ()),
           (("connect-missing-group.json",), {"tables.target": [UNKNOWN] * 2}, ("$2",))],
    "15": [((), {"tables.exclude": [["ssn"], 1], "tables.rename": [{"cust_no": "customer_number"}] * 2}, ("email", "fields.whitelist", "Filter", "source_filter"))],
    "17": [((), {"target.host": "2001:db8::5", "target.port": 5433}, ()), (("connect.json", "shop_target", "my%20target"), {"target.database": "my target"}, ()),
           (("connect.json", "[2001:db8::5]:5433", "pg1:5432,pg2:5433"), {"target.host": "pg1", "target.port": 5432}, ("pg2",)),
           (("connect.json", "jdbc:postgresql://[2001:db8::5]", "jdbc:aws-wrapper:postgresql://pg"), {"target.host": "pg", "target.port": 5433}, ())],
    "18": [((), {"tables.topic": [f"prod.shop.{t}" for t in TWO]}, ())],
}
COMPOSE: dict[str, list[tuple[tuple[str, ...], int, tuple[str, ...], tuple[str, ...]]]] = {
    # by number: files; exit status, what must be said, what must not
    "24": [(("docker-compose.yml",), 0, ("major version upgrade", "cp-kafka:7.5.3 → confluentinc/cp-kafka:8.0.0", "cp-kafka-connect:7.5.3 → confluentinc/cp-kafka-connect:8.0.0", "derived: high"), ())],
    "25": [(("docker-compose.yml",), 0, ("Nothing differs between the files and what runs. derived: low",), ())],
    # these two say `true` and not `yes`, so that ENABLED does differ
    "26": [(("docker-compose.yml",), 0, ("ENABLED yes → true", "derived: medium"), ("goes", "cpus", "high")), (("docker-compose.yml", "override.yml"), 0, ("FLUSH_INTERVAL_MS absent → 1000", "derived: medium"), ("goes", "cpus"))],
    "27": [(("docker-compose.yml",), 0, ("high network change: deployment/kafka-connect/ports", "9103", "derived: high"), ("/networks",))],
    "29": [(("docker-compose.yml",), 2, ("docker-compose.yml", "extends"), ()), (("memory.yml",), 3, (), ("amount of memory",)), (("reset.yml",), 0, ("9102 at 0.0.0.0:9102 → 8083 at 0.0.0.0:8083",), ("valid YAML",))],
}
# fmt: on


def init(work: Work, served: str, *more: str) -> tuple[str, dict[str, Any]]:
    """What `cdcproof init` says of a Connect that serves this, and the file that it writes."""
    (work / "connect.json").write_text(served)
    (work / "out.toml").unlink(missing_ok=True)
    with stand_in("fake_connect.py", work / "connect.json", "PORT") as port:
        where = (f"--connect-url=http://{HOST}:{port}", f"--kafka={HOST}:9092", f"--output={work / 'out.toml'}")
        code, said = call("cdcproof", "init", *where, *more, SQLSERVER_PASSWORD="")
    need(code == 0, f"exit {code}: {said}")
    return said, tomllib.loads((work / "out.toml").read_text())


def first_contact(case: Path, work: Work) -> None:
    for asked, right, words in INIT[case.name[:2]]:
        file, before, after, *options = (*asked, *("connect.json", "", "")[len(asked) :])
        said, written = init(work, (case / file).read_text().replace(before, after), *options)
        for key, value in right.items():
            group, name = key.split(".")
            many = written[group]
            equal((key, [m.get(name, 1) for m in many] if isinstance(many, list) else many[name]), (key, value))
        has(said, *words)


def case_21(case: Path, work: Work) -> None:
    columns = "(id int, r text, v int, PRIMARY KEY (id, r))"
    name = database(case, "", f"CREATE TABLE ev_eu {columns}; CREATE TABLE ev_us {columns}")
    source = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": HOST}
    source |= {"database.port": str(servers().source.port), "database.user": "postgres", "database.dbname": name}
    source |= {"topic.prefix": "p", "table.include.list": "public.ev.*", "publication.name": "p", "slot.name": "s"}
    sink = {"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics.regex": r"p\.public\..*"}
    sink |= {"connection.url": f"jdbc:postgresql://{HOST}:{servers().target.port}/{name}"}
    sink |= {"connection.username": "postgres", "collection.name.format": "${source.table}"}
    _, file = init(work, json.dumps({"connectors": {"src": {"config": source}, "snk": {"config": sink}}}))
    equal([table["source"] for table in file["tables"]], ["public.ev_eu", "public.ev_us"])
    lacks(call("cdcproof", "check-config", f"--pipeline={work}/out.toml")[1], "does not exist in", "all 0 tables")


def case_23(case: Path, work: Work) -> None:
    services = [one["service"] for one in json.loads((case / "containers.json").read_text())]
    pipeline = live(work, "postgres", **{service: service for service in services})
    with stand_in("fake_docker.py", case / "containers.json", "PORT") as port:
        engine = {"DOCKER_HOST": f"tcp://{HOST}:{port}"}
        equal(morning(work, pipeline, **engine)["morning.1-services"]["verdict"], "passed")
        lacks(call("cdcproof", "check-config", f"--pipeline={pipeline}", **engine)[1], "knows no container")


def compose(case: Path, work: Work) -> None:
    version = subprocess.run(
        ["sh", "-c", "docker compose version --short || docker-compose version --short"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if version[:2] in ("", "1."):
        raise NotRun(f"Docker Compose 2 is not installed here, but {version or 'none'}")
    folder = shutil.copytree(case, work / "case", copy_function=shutil.copyfile)
    if case.name[:2] == "27":  # Compose refuses it: services name a network that it does not declare
        for file in folder.iterdir():
            file.write_text(file.read_text().replace("    - cdc-network", "    - pipeline"))
    containers = {one["service"]: one["name"] for one in json.loads((case / "containers.json").read_text())}
    pipeline = live(work, "postgres", **containers)
    for files, status, right, wrong in COMPOSE[case.name[:2]]:
        flags = (f"--pipeline={pipeline}", *(f"--compose={folder / file}" for file in files))
        with stand_in("fake_docker.py", case / "containers.json", "PORT") as port:
            code, said = call("cdcproof", "change", "classify", *flags, DOCKER_HOST=f"tcp://{HOST}:{port}")
        need(code == status, f"exit {code}: {said}")
        has(said, *right)
        lacks(said, *wrong)


def case_35(case: Path, work: Work) -> None:
    rows = "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'); CREATE TABLE bare ()"
    generated = "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text CHECK (v <> 'b')"
    source = f"CREATE TABLE t (id int PRIMARY KEY, v text); {rows}"
    name = database(case, source, f"CREATE TABLE t ({generated}); CREATE TABLE bare ()")
    served = json.loads((CASES / "18-prefix-of-the-worker" / "connect.json").read_text())["connectors"]
    (work / "two.json").write_text(json.dumps({"connectors": {"snk": {**served["snk"], "tasks": 2}}}))
    with stand_in("fake_connect.py", work / "two.json", "PORT") as port:
        pipeline = live(work, name, connect=port)
        for file in ("bom.json", "initial-state.json"):
            equal(call("cdcproof", "connectors", "validate", f"--pipeline={pipeline}", case / file)[0], 0)
        action = " ".join(morning(work, pipeline)["morning.2-connectors"]["action"])
    has(action, "more tasks than the pipeline file says")
    code, said = repaired(work, pipeline)
    with servers().target.connect(name) as opened:  # the row that the target refuses keeps no other from being repaired
        equal((code, opened.execute("SELECT id, v FROM t ORDER BY id").fetchall()), (1, [(1, "a"), (3, "c")]))
    (work / "other.json").write_text('{"rows": 5}')
    _, said = call("cdcproof", "reconcile", "repair", work / "other.json", f"--pipeline={pipeline}")
    has(said, "not written by this program (no version)")
    has(compare(work, name, "bare")[1], "has no columns")
    state, untyped = {"state": "RUNNING", "worker_id": "w"}, {}
    for one, connector in served.items():
        status = {"name": one, "connector": state, "tasks": [{**state, "id": 0}]}
        untyped[one] = {"status": status, "info": {"name": one, "config": {**connector["config"], "name": one}}}
    _, file = init(work, json.dumps({"connectors": untyped, "topics": {"src": ["prod.shop.dbo.customers"]}}))
    equal({one["name"]: one["kind"] for one in file["connectors"]}, {"src": "source", "snk": "sink"})


def good(name: str, run: Callable[[Path], None]) -> bool:
    """Run one, and print its line."""
    line, holds = f"OK {name}", True
    with tempfile.TemporaryDirectory() as work:
        try:
            run(Path(work))
        except NotRun as reason:
            line = f"NOT RUN {name}: {reason}"
        except Exception as error:  # noqa: BLE001  the other cases run all the same
            line, holds = f"BAD {name}: {error if isinstance(error, Wrong) else repr(error)}", False
    print(line, flush=True)
    return holds


def unknown(case: Path, work: Work) -> None:
    shown = {"05": "tests/integration/test_soft_deletes.py does the same"}
    raise NotRun(shown.get(case.name[:2], "it is not known here"))


def main() -> int:
    known = dict.fromkeys(INIT, first_contact) | dict.fromkeys(COMPOSE, compose)
    known |= {name[5:]: value for name, value in globals().items() if name.startswith("case_")}
    folders = sorted(CASES.glob("[0-9][0-9]-*"), key=lambda path: (path.name[:2] in ("20", "22", "30"), path.name))
    runs = {path.name: partial(known.get(path.name[:2], unknown), path) for path in folders}
    runs |= {p.stem: partial(fault, p) for p in sorted((CASES / "chaos").glob("*.py")) if p.stem != "chaos"}
    asked = tuple(sys.argv[2:]) or ""
    with OPEN:
        bad = [name for name, run in runs.items() if name.startswith(asked) and not good(name, run)]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
