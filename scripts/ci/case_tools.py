"""What `cases.py` shares: expectations, our commands, the cases' stand-ins, and two throw-away PostgreSQL servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from cdcproof.core.waiting import wait_until  # noqa: E402
from tests.postgres_server import PASSWORD, Servers, running_servers  # noqa: E402

CASES = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
BIN, HOST = Path(sys.executable).parent, "127.0.0.1"
OPEN = ExitStack()
Work = Path  # a folder of the case's own
SECRETS = {"POSTGRES_SOURCE_PASSWORD": PASSWORD, "POSTGRES_PASSWORD": PASSWORD}


class Wrong(Exception):  # noqa: N818  not an error of this script
    """What came is not what is right."""


class NotRun(Exception):  # noqa: N818
    """What the case needs is not here."""


def need(holds: object, text: object) -> None:
    if not holds:
        raise Wrong(" ".join(str(text).split())[-900:])


def equal(found: object, right: object) -> None:
    need(found == right, f"{found!r}, not {right!r}")


def has(said: str, *texts: str) -> None:
    for text in texts:
        need(text in said, f"{said} -- {text!r} is missing")


def lacks(said: str, *texts: str) -> None:
    for text in texts:
        need(text not in said, f"{said} -- {text!r} is wrong")


def call(*command: str | Path, **environment: str) -> tuple[int, str]:
    """Exit status, and both outputs in one line."""
    own = {**SECRETS, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=ROOT,
        env={**os.environ, **own, **environment},
    )
    said = " ".join((done.stdout + done.stderr).split())
    lacks(said, "Traceback", "internal error")
    return done.returncode, said


@contextmanager
def stand_in(tool: str, *arguments: str | Path) -> Iterator[int]:
    """One of the cases' stand-ins; its port, which is `PORT` among its arguments."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    words = [sys.executable, CASES / "tools" / tool, *(str(port) if word == "PORT" else word for word in arguments)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            look = lambda: socket.socket().connect_ex((HOST, port)) == 0  # noqa: E731
            wait_until(look, bool, what=f"{tool} to answer", deadline_seconds=20)
            yield port
        finally:
            process.kill()


@cache
def servers() -> Servers:
    return OPEN.enter_context(running_servers())


def database(case: Path, source: str = "", target: str = "") -> str:
    """A database of the case's own on both servers, filled by its files; its name."""
    name = f"case_{case.name[:2]}"
    for server, side, more in ((servers().source, "source", source), (servers().target, "target", target)):
        text = more or (case / f"{side}.sql").read_text()
        server.execute(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        server.execute(*(part for part in text.split(";") if part.strip()), database=name)
    return name


def compare(work: Work, name: str, tables: str = "t", *more: str, port: int = 0) -> tuple[int, str, dict[str, str]]:
    """Exit status, what was said, and table to status, of contents compared."""
    output = Path(tempfile.mkdtemp(dir=work))
    sides = {"source": servers().source.port, "target": port or servers().target.port}
    where = {"type": "postgresql", "host": HOST, "database": name, "user": "postgres"}
    flags = [f"--{side}-{k}={v}" for side, at in sides.items() for k, v in {**where, "port": at}.items()]
    flags += ["--tables", tables, "--validate-checksums", "--settle-seconds=1", f"--output-dir={output}", *more]
    code, said = call("python", "-m", "src.cli.reconcile", *flags)
    reports = sorted(output.glob("reconciliation_report_*.json"))
    return code, said, json.loads(reports[-1].read_text())["summary"] if reports else {}


def live(work: Work, name: str, table: str = "t", connect: int = 1, **containers: str) -> Path:
    """A live pipeline file for a database of both servers."""
    roles = {"sqlserver": "source", "postgres": "target", "schema-registry": "registry", "kafka-connect": "connect"}
    text = f'name = "case"\n[connect]\nurl = "http://{HOST}:{connect}"\n[kafka]\nbootstrap_servers = "{HOST}:1"\n'
    text += f'[paths]\nreconciliation_reports = "{work}/reports"\n[[connectors]]\nname = "snk"\nkind = "sink"\n'
    for side, variable in (("source", "POSTGRES_SOURCE_PASSWORD"), ("target", "POSTGRES_PASSWORD")):
        text += f'[{side}]\ntype = "postgresql"\nhost = "{HOST}"\nport = {getattr(servers(), side).port}\n'
        text += f'database = "{name}"\nuser = "postgres"\nschema = "public"\npassword_env = "{variable}"\n'
    for service, container in (containers or {"kafka": ""}).items():
        where = f'container = "{container}"' if container else f'endpoint = "tcp://{HOST}:{servers().source.port}"'
        text += f'[[services]]\nname = "{service}"\nrole = "{roles.get(service, service)}"\n{where}\n'
    text += f'[[tables]]\nname = "{table}"\nsource = "public.{table}"\ntarget = "public.{table}"\ntopic = "t"\n'
    (work / "live.toml").write_text(text + 'key = ["id"]\n')
    return work / "live.toml"
