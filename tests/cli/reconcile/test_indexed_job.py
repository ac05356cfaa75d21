"""The indexed Job of docs/SCALE.md, as Kubernetes runs it: its own command for each index, on a folder that all share, then the merge.

Pods fail and are tried again, run twice, and one is missing: Kubernetes promises no more.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.postgres_server import PASSWORD, USER, Server, Servers

pytest_plugins = ["tests.postgres_server"]

ROOT = Path(__file__).parents[3]
PODS = 3
SECRETS = {"source": PASSWORD, "target": PASSWORD}


@dataclass(frozen=True)
class Cluster:
    """What a pod gets from Kubernetes: volumes by their mount's path, and values of the Secret."""

    volumes: Mapping[str, Path]
    home: Path

    def start(self, job: dict[str, Any], index: int | None = None, **secrets: str) -> subprocess.Popen[str]:
        """A pod of a Job; `secrets` replace those that are right."""
        (container,) = job["spec"]["template"]["spec"]["containers"]
        variables = {one["name"]: _value(one["valueFrom"], job, SECRETS | secrets) for one in container["env"]}
        words = [_expanded(word, variables) for word in (*container.get("command", ()), *container["args"])]
        for mount in container["volumeMounts"]:
            words = [word.replace(mount["mountPath"], str(self.volumes[mount["mountPath"]])) for word in words]
        image = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.home)}
        by_kubernetes = {} if index is None else {"JOB_COMPLETION_INDEX": str(index)}
        return subprocess.Popen(
            words,
            env={**image, **variables, **by_kubernetes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, job: dict[str, Any], index: int | None = None, **secrets: str) -> tuple[int, str]:
        """A pod's exit status and its log."""
        return ended(self.start(job, index, **secrets))


def ended(pod: subprocess.Popen[str]) -> tuple[int, str]:
    log, _ = pod.communicate(timeout=120)
    return pod.returncode, log


def _value(comes_from: dict[str, Any], job: dict[str, Any], secrets: Mapping[str, str]) -> str:
    if secret := comes_from.get("secretKeyRef"):
        return secrets[secret["key"]]
    assert comes_from == {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}
    name: str = job["metadata"]["name"]
    return name


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """As Kubernetes expands $(NAME) of `env`; a name that it does not know stays as it is, which leaves arithmetic to the shell."""
    return re.sub(r"\$\(([^)]*)\)", lambda found: variables.get(found[1], found[0]), word)


@pytest.fixture(scope="module")
def jobs() -> tuple[dict[str, Any], dict[str, Any]]:
    """The Job that reads and the one that merges, with fewer pods than in the document."""
    text = (ROOT / "docs" / "SCALE.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (pods,) = re.findall(r"completions: (\d+)", block)
    assert f"/{pods} --output-dir" in block, "as many shares as pods"
    reading, merging = yaml.safe_load_all(re.sub(rf"\b{pods}\b", str(PODS), block))
    assert (reading["spec"]["completionMode"], reading["spec"]["completions"]) == ("Indexed", PODS)
    return reading, merging


@pytest.fixture
def cluster(postgres_servers: Servers, tmp_path: Path) -> Cluster:
    def database(server: Server, variable: str) -> str:
        return (
            f'type = "postgresql"\nhost = "{server.host}"\nport = {server.port}\ndatabase = "postgres"\nuser = "{USER}"\n'
            f'password_env = "{variable}"\nschema = "public"\n'
        )

    for server in (postgres_servers.source, postgres_servers.target):
        server.execute(
            "DROP TABLE IF EXISTS shared_orders",
            "CREATE TABLE shared_orders (id int PRIMARY KEY, word text)",
            "INSERT INTO shared_orders SELECT n, 'word ' || n FROM generate_series(1, 5000) n",
            "ANALYZE shared_orders",
        )
    volumes = {"/shared": tmp_path / "shared", "/etc/cdcproof": tmp_path / "etc"}
    for folder in (*volumes.values(), tmp_path / "home"):
        folder.mkdir()
    (tmp_path / "etc" / "warehouse.toml").write_text(
        f'name = "warehouse"\nenvironment = "live"\n[source]\n{database(postgres_servers.source, "SQLSERVER_PASSWORD")}'
        f"[target]\n{database(postgres_servers.target, 'POSTGRES_PASSWORD')}"
        '[connect]\nurl = "http://127.0.0.1:1"\n[kafka]\nbootstrap_servers = "127.0.0.1:1"\n'
        '[[services]]\nname = "postgres"\nrole = "target"\nendpoint = "tcp://127.0.0.1:1"\n'
        '[[connectors]]\nname = "source"\nkind = "source"\n[[connectors]]\nname = "sink"\nkind = "sink"\n'
        '[[tables]]\nname = "orders"\nsource = "public.shared_orders"\ntarget = "public.shared_orders"\n'
        'topic = "orders"\nkey = ["id"]\n'
        f'[paths]\nreconciliation_reports = "{tmp_path / "shared" / "reports"}"\n'
    )
    return Cluster(volumes, tmp_path / "home")


def _table(cluster: Cluster) -> dict[str, Any]:
    """Of the newest report."""
    newest = max((cluster.volumes["/shared"] / "reports").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    (table,) = json.loads(newest.read_text())["tables"]
    found: dict[str, Any] = table
    return found


def test_pods_of_the_indexed_job_and_its_merge_give_one_report_and_no_match_before_all_have_read(
    jobs: tuple[dict[str, Any], dict[str, Any]], cluster: Cluster
) -> None:
    reading, merging = jobs
    status, log = cluster.run(reading, 0)
    assert (status, "READ      orders: 1 of 3 slices" in log) == (0, True), log

    failed, log = cluster.run(reading, 1, target="not it")
    assert (failed, "READ" in log) == (3, False), log
    assert cluster.run(reading, 1)[0] == 0, "tried again"

    status, log = cluster.run(merging)
    assert status == 3, log
    table = _table(cluster)
    assert (table["status"], table["checksums_match"]) == ("ERROR", None)
    assert "1 of 3 slices of orders were not read: those of --slice 3/3." in table["error"]

    twice = [cluster.start(reading, 2) for _ in range(2)]  # at the same time
    assert [ended(pod)[0] for pod in twice] == [0, 0]
    assert cluster.run(reading, 0)[0] == 0, "again, though it had come to its end"

    status, log = cluster.run(merging)
    assert status == 0, log
    table = _table(cluster)
    assert (table["status"], table["source_rows"], table["target_rows"]) == ("MATCH", 5000, 5000)
    assert table["resumed"].startswith("its slices were read by 3 other processes")
