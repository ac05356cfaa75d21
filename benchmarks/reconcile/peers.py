"""The commands that are compared: ours, other people's, and the limits that no tool on these servers can beat.

Every command is a process of its own, timed from its start to its end. What each found is read from what it printed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from benchmarks.reconcile.tables import COLUMNS, TABLE
from tests.postgres_server import PASSWORD, USER, Server, Servers

SCRIPTS = Path(__file__).parent / "scripts"
LOOKS_FOR_NONE = -1
_MIB = 1024


@dataclass(frozen=True)
class Run:
    """One run: seconds from start to end, peak memory of the client in MiB, differing keys (`LOOKS_FOR_NONE`: none are looked for)."""

    seconds: float
    memory_mib: float
    found: int


@dataclass(frozen=True)
class Peer:
    """A command and how its output is read."""

    name: str
    command: tuple[str, ...]
    found: Callable[[str], int]
    environment: dict[str, str]

    def run(self, deadline_seconds: float) -> Run:
        """Run it once. Raises RuntimeError with its output when it fails (exit status 1 means a difference)."""
        environment = os.environ | self.environment
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # with it our modules are compiled in every run
        started = time.monotonic()
        process = subprocess.Popen(
            self.command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            output, _ = process.communicate(timeout=deadline_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise RuntimeError(f"{self.name} took over {deadline_seconds:g} s") from None
        seconds = time.monotonic() - started
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{output[-2000:]}")
        usage = re.search(r"^peak_kib=(\d+)$", output, re.MULTILINE)
        return Run(seconds, int(usage[1]) / _MIB if usage else -1, self.found(output))


def ours(servers: Servers, strategy: str, folder: Path) -> Peer:
    """`cdcproof reconcile` with checksums; the data is at rest, so no difference is waited for."""
    return _ours(f"cdcproof, {strategy}", servers, folder, "--validate-checksums", "--strategy", strategy, "--fresh")


def our_counts(servers: Servers, folder: Path) -> Peer:
    """`cdcproof reconcile` without checksums."""
    return replace(_ours("cdcproof, row counts", servers, folder), found=lambda _: LOOKS_FOR_NONE)


def _ours(name: str, servers: Servers, folder: Path, *options: str) -> Peer:
    sides = [
        word
        for side, server in (("source", servers.source), ("target", servers.target))
        for word in (
            *(f"--{side}-type", "postgresql", f"--{side}-host", server.host, f"--{side}-port", str(server.port)),
            *(f"--{side}-database", "postgres", f"--{side}-schema", "public", f"--{side}-user", USER),
        )
    ]

    def found(output: str) -> int:
        tables = json.loads(output[output.index("{") : output.rindex("}") + 1])["tables"]
        return sum(t[word] or 0 for t in tables for word in ("missing_at_target", "extra_at_target", "changed"))

    command = _measured(
        *("-m", "cdcproof", "reconcile", *sides, "--tables", TABLE, "--settle-seconds", "0", "--json"),
        *("--output-dir", str(folder), *options),
    )
    return Peer(name, command, found, {"POSTGRES_PASSWORD": PASSWORD})


def our_scrub(servers: Servers, folder: Path, slot: str, budget: str) -> Peer:
    """`cdcproof reconcile --budget` of a pipeline file, its proofs in the folder; every table must match."""
    pipeline = folder / "pipeline.toml"
    sides = "\n".join(
        f"""[{side}]\ntype = "postgresql"\nhost = "{server.host}"\nport = {server.port}\ndatabase = "postgres"
user = "{USER}"\npassword_env = "POSTGRES_PASSWORD"\nschema = "public"\n{more}"""
        for side, server, more in (
            ("source", servers.source, f'publication = "{slot}"\nscrub_slot = "{slot}"\n'),
            ("target", servers.target, ""),
        )
    )
    # by timer: nothing replicates here, and no connector is asked
    pipeline.write_text(f"""name = "bench"
{sides}
[connect]\nurl = "http://127.0.0.1:1"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"
[[services]]\nname = "postgres"\nrole = "target"\n[[connectors]]\nname = "sink"\nkind = "sink"
[[tables]]\nname = "{TABLE}"\nsource = "public.{TABLE}"\ntarget = "public.{TABLE}"\ntopic = "{TABLE}"\nkey = ["id"]
""")
    command = _measured(
        *("-m", "cdcproof", "reconcile", f"--pipeline={pipeline}", "--validate-checksums", "--settle-seconds", "0"),
        *("--budget", budget, "--json", "--output-dir", str(folder)),
    )

    def found(output: str) -> int:
        (table,) = json.loads(output[output.index("{") : output.rindex("}") + 1])["tables"]
        if table["status"] != "MATCH":
            raise RuntimeError(f"the scrub says {table['status']}: {table['error']}")
        return int(table["scrubbed"]["changed_keys"])

    return Peer("cdcproof, scrub", command, found, {"POSTGRES_PASSWORD": PASSWORD})


def reladiff(servers: Servers, name: str, *options: str) -> Peer:
    """reladiff, installed beside us by `pip install reladiff` into the folder $RELADIFF names."""
    sides = [word for server in (servers.source, servers.target) for word in (_url(server), TABLE)]
    columns = [word for column in COLUMNS[1:] for word in ("-c", column)]
    script = str(Path(os.environ["RELADIFF"]) / "bin/reladiff")
    python = str(Path(os.environ["RELADIFF"]) / "bin/python")
    command = (python, *_measured(script, *sides, "-k", COLUMNS[0], *columns, *options)[1:])

    def found(output: str) -> int:
        return len(
            {re.split(r"[\s,(']+", line.strip("-+ "))[0] for line in output.splitlines() if line[:2] in ("- ", "+ ")}
        )

    return Peer(name, command, found, {})


def script(servers: Servers, name: str, file: str, *arguments: str) -> Peer:
    """One of scripts/: it is given both addresses, and prints ``found=N`` where it looks for differences."""

    def found(output: str) -> int:
        told = re.search(r"^found=(\d+)$", output, re.MULTILINE)
        return int(told[1]) if told else LOOKS_FOR_NONE

    addresses = (_url(servers.source), _url(servers.target))
    return Peer(name, _measured(str(SCRIPTS / file), *addresses, *arguments), found, {})


def _url(server: Server) -> str:
    return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@{server.host}:{server.port}/postgres"


def _measured(*arguments: str) -> tuple[str, ...]:
    """The command under a wrapper that prints the peak memory of the process when it ends."""
    return (sys.executable, str(SCRIPTS / "measured.py"), *arguments)
