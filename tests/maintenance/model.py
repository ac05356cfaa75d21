"""A pipeline in a file: rows go from a log through a topic into a target as the connectors' states allow, also across processes.

It keeps to the contract of Connect that windows rely on: states stay over a restart, offsets change only while STOPPED, nothing
answers while the services are down, a paused connector moves nothing, and what a sink drops it does not read again by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cdcproof.clients.connect.client import Connect, ConnectorStates
from cdcproof.connectors.control import Control
from cdcproof.core.errors import CouldNotLookError, UnreachableError
from cdcproof.core.waiting import Deadline
from cdcproof.findings import Verdict
from cdcproof.maintenance.steps.drain import Drained
from cdcproof.maintenance.steps.validation import Validation
from cdcproof.pipeline.model import Pipeline
from cdcproof.validation.baseline.comparison import Facts
from cdcproof.validation.baseline.recording import Baseline
from tests.connectors.worker import Worker
from tests.pipelines import pipeline_of
from tests.reporting.runs import record_of

TOPIC = "t.orders"
DROPS = "drops.deletes"
BEFORE = {
    "source": {"kind": "source"},
    "sink": {"kind": "sink", "topics": TOPIC, "insert.mode": "upsert", "batch.size": "1"},
}


class KeptWorker(Worker):
    """A worker whose memory is a file, like the topics of a real one."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self.pipe = pipe

    def _load(self) -> None:
        told = self.pipe.read()
        if not told["up"]:
            raise UnreachableError("http://worker does not answer: connection refused.")
        self.configs, self.target_states, self.positions = told["configs"], told["states"], told["positions"]

    def _keep(self) -> None:
        self.pipe.change(configs=self.configs, states=self.target_states, positions=self.positions)

    def states(self, sure_of: object = ()) -> ConnectorStates:
        self._load()
        return super().states(sure_of)

    def offsets(self, name: str) -> tuple[dict[str, Any], ...]:
        self._load()
        return super().offsets(name)

    def can_stop(self, name: str) -> bool:
        self._load()
        return super().can_stop(name)

    def version(self) -> Any:
        raise UnreachableError("this worker does not say")

    def _changing(self, act: Callable[[], None]) -> None:
        self._load()
        act()
        self._keep()

    def put_config(self, name: str, config: Mapping[str, str]) -> None:
        self._changing(lambda: super(KeptWorker, self).put_config(name, config))

    def alter_offsets(self, name: str, offsets: Sequence[dict[str, Any]]) -> None:
        self._changing(lambda: super(KeptWorker, self).alter_offsets(name, offsets))

    def stop(self, name: str) -> None:
        self._changing(lambda: super(KeptWorker, self).stop(name))

    def pause(self, name: str) -> None:
        self._changing(lambda: super(KeptWorker, self).pause(name))

    def resume(self, name: str) -> None:
        self._changing(lambda: super(KeptWorker, self).resume(name))


@dataclass(frozen=True)
class Pipe:
    """Source, topic, target and worker in one file. Rows are ``["put", key, value]`` and ``["delete", key, None]``."""

    path: Path

    @classmethod
    def made(cls, path: Path) -> Pipe:
        pipe = cls(path)
        worker = Worker()
        for name, config in BEFORE.items():
            worker.add(name, **config)
        told = {"log": [], "read": 0, "topic": [], "target": {}, "up": True, "image": "1", "database": "old"}
        path.write_text(
            json.dumps(
                {**told, "configs": worker.configs, "states": worker.target_states, "positions": worker.positions}
            )
        )
        pipe.write("put", "a", 1)
        pipe.flow()
        return pipe

    def read(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.path.read_text())
        return told

    def change(self, **values: Any) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.read() | values))
        new.replace(self.path)

    def write(self, act: str, key: str, value: int | None = None) -> None:
        self.change(log=[*self.read()["log"], [act, key, value]])

    def flow(self) -> None:
        """Move what the connectors' states let through."""
        told = self.read()
        if not told["up"]:
            return
        if told["states"]["source"] == "RUNNING":
            told["topic"] += told["log"][told["read"] :]
            told["read"] = len(told["log"])
        if told["states"]["sink"] == "RUNNING":
            drops = told["configs"]["sink"].get(DROPS) == "true"
            for act, key, value in told["topic"][committed(told) :]:
                if act == "put":
                    told["target"][key] = value
                elif not drops:
                    told["target"].pop(key, None)
            told["positions"]["sink"] = [at(len(told["topic"]))]
        self.change(**told)

    def is_equal(self) -> bool:
        """Whether the target has what the source has."""
        return bool(self.source() == self.read()["target"])

    def source(self) -> dict[str, Any]:
        """The rows of the source."""
        rows: dict[str, Any] = {}
        for act, key, value in self.read()["log"]:
            rows.pop(key, None)
            if act == "put":
                rows[key] = value
        return rows

    def restore(self) -> None:
        """As `cdcproof restore` ends: the target is right, the sink passes over what is in the topics, and both run."""
        told = self.read()
        states = dict.fromkeys(told["states"], "RUNNING")
        positions = {**told["positions"], "sink": [at(len(told["topic"]))]}
        self.change(target=self.source(), states=states, positions=positions, database="restored")

    def is_as_before(self) -> bool:
        told = self.read()
        configs = {n: {k: v for k, v in c.items() if k != "name"} for n, c in told["configs"].items()}
        return configs == BEFORE and set(told["states"].values()) == {"RUNNING"} and told["up"] and told["image"] == "1"


def committed(told: Mapping[str, Any]) -> int:
    found = told["positions"]["sink"]
    return int(found[0]["offset"]["kafka_offset"]) if found else 0


def at(offset: int) -> dict[str, Any]:
    return {"partition": {"kafka_topic": TOPIC, "kafka_partition": 0}, "offset": {"kafka_offset": offset}}


@dataclass(frozen=True)
class ModelServices:
    pipe: Pipe

    def describe(self) -> str:
        return "the model's services"

    def down(self) -> None:
        self.pipe.change(up=False)

    def up(self) -> None:
        """With the images that the compose file names now."""
        self.pipe.change(up=True, image=(self.pipe.path.parent / "docker-compose.yml").read_text().split()[1])


@dataclass(frozen=True)
class ModelSite:
    """The model as a window's commands meet it. `wanted` is what the validation expects of the sink's configuration."""

    pipe: Pipe
    folder: Path
    beats: tuple[float, ...] = ()

    @property
    def pipeline(self) -> Pipeline:
        return pipeline_of(
            "orders",
            connectors=[{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink"}],
            paths={
                "reconciliation_reports": str(self.folder / "reconciliation_reports"),
                "baselines": str(self.folder / "baselines"),
            },
        )

    def control(self) -> Control:
        return Control(cast(Connect, KeptWorker(self.pipe)), Deadline(1.0), lambda _: None, lambda _: None)

    def record(self) -> Baseline:
        return Baseline("test", "2026-12-01T00:00:00+00:00", "00", Facts(self._facts()))

    def facts_since(self, before: Baseline) -> Facts:
        return Facts(self._facts())

    def drain(self) -> Drained:
        self.pipe.flow()
        told = self.pipe.read()
        if not told["up"]:
            raise UnreachableError("Kafka does not answer.")
        end = len(told["topic"])
        if committed(told) < end:
            raise CouldNotLookError(f"sink is {told['states']['sink']}.")
        return Drained({"sink": {(TOPIC, 0): end}}, {(TOPIC, 0): end})

    def caught_up(self) -> tuple[str, Drained]:
        drained = self.drain()
        told = self.pipe.read()
        if told["read"] < len(told["log"]):
            raise CouldNotLookError(f"source is {told['states']['source']}.")
        return str(told["read"]), drained

    def newest_beat(self) -> float | None:
        return self.beats[0] if self.beats else None

    def services(self) -> ModelServices:
        return ModelServices(self.pipe)

    def wait_until_up(self) -> Mapping[str, str]:
        if not self.pipe.read()["up"]:
            raise CouldNotLookError("The services are down.")
        return {"kafka": "up"}

    def validate(self, reports: Path, change: Path | None, expect: tuple[str, ...] = ()) -> Validation:
        self.pipe.flow()
        self.pipe.write("put", "test row", 1)
        self.pipe.write("delete", "test row")
        self.pipe.flow()
        told = self.pipe.read()
        runs = set(told["states"].values()) == {"RUNNING"}
        is_changed = told["configs"]["sink"]["batch.size"] == ("500" if change else "1")
        found = {"validate.2-connectors": runs, "validate.4-reconciliation": self.pipe.is_equal()}
        found["validate.5-baseline"] = is_changed
        steps = tuple(record_of(s, Verdict.PASSED if good else Verdict.FAILED) for s, good in found.items())
        return Validation(all(found.values()), "GREEN" if all(found.values()) else "NOT GREEN", steps, "page", "output")

    def _facts(self) -> dict[str, str]:
        told = self.pipe.read()
        facts = {f"connectors/{n}/{k}": v for n, c in told["configs"].items() for k, v in c.items()}
        database = {"versions/source/database": told["database"]}
        return {**facts, **database, "deployment/kafka-connect/image": told["image"]}
