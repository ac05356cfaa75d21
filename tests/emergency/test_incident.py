"""What is done in an emergency, in which order, and what happens when a part of it fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli import emergency as command
from cdcproof.cli.main import main
from cdcproof.core.errors import OperationError, UnreachableError
from cdcproof.emergency import evidence, incident, suspects
from cdcproof.emergency.incident import Incident, Result
from cdcproof.environments.live import Live
from cdcproof.maintenance.journal import Actor
from cdcproof.pipeline.model import Pipeline
from tests import canned
from tests.canned import EXPANDED, Canned, serving
from tests.pipelines import pipeline_of

CANARY = "s3cr3t-cänary"
CONNECTORS = [{"name": "source", "kind": "source"}, {"name": "sink", "kind": "sink"}]


@dataclass(frozen=True)
class Suspect:
    """One that writes into `done` what was done to it."""

    name: str
    done: list[str]
    isolated: bool = True
    broken: tuple[str, ...] = ()

    @property
    def thaw(self) -> str:
        return f"thaw {self.name}"

    def takings(self) -> suspects.Takings:
        return tuple((name, self._taking(name)) for name in ("processes.json", "stdout.log"))

    def freeze(self) -> str:
        self.done.append(f"freeze {self.name}")
        if "freeze" in self.broken:
            raise OperationError(f"{self.name} is running, and not paused.")
        return "paused"

    def measures(self) -> tuple[suspects.Measure, ...]:
        def act(name: str) -> suspects.Done:
            self.done.append(f"{name} of {self.name}")
            if name in self.broken:
                raise OperationError(f"no {name} of {self.name}")
            return suspects.Done(f"{name} done", (f"undo {name} of {self.name}",) if name == "networks" else ())

        return tuple(suspects.Measure(n, f"{n} of {self.name}", partial(act, n)) for n in ("image", "networks"))

    def _taking(self, name: str) -> Callable[[Path], None]:
        def write(to: Path) -> None:
            self.done.append(f"{name} of {self.name}")
            if name in self.broken:
                raise UnreachableError("The container engine does not answer.")
            to.write_text(
                json.dumps({"database.password": CANARY}) if name.endswith("json") else f"login with {CANARY}\n"
            )

        return write


@dataclass
class Scene:
    server: Canned
    pipeline: Pipeline
    reports: Path
    done: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    found: tuple[Suspect, ...] = ()

    def answer(self, kind: Any, seconds: float = 1.0) -> Result:
        return self.incident(kind, seconds).answer()

    def incident(self, kind: Any, seconds: float = 1.0) -> Incident:
        return Incident(
            kind,
            Live(),
            self.pipeline,
            Actor("ann", "here", 1),
            seconds,
            self.told.append,
            lambda _: None,
            self.reports,
        )


def answers(source: str = "PAUSED", sink: str = "PAUSED") -> dict[str, Any]:
    expanded = {
        "source": canned.connector("source", {"name": "source"}, source, (source,)),
        "sink": canned.connector("sink", {"name": "sink", "topics": "t"}, sink, (sink,)),
    }
    return {
        EXPANDED: (200, expanded),
        **{f"PUT /connectors/{name}/pause": (202, b"") for name in expanded},
        **{f"GET /connectors/{name}/offsets": (200, {"offsets": []}) for name in expanded},
    }


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with serving(answers()) as server:
        made = Scene(
            server, pipeline_of("orders", connectors=CONNECTORS, connect={"url": server.url}), tmp_path / "reports"
        )
        made.found = (Suspect("kafka", made.done), Suspect("other", made.done, isolated=False))
        monkeypatch.setattr(incident.suspects_, "of", lambda *_: (made.found, ()))

        def diagnosed(_: object, *__: object, **___: object) -> Any:
            made.done.append("diagnostics")
            raise OperationError("no diagnostics in this test")

        monkeypatch.setattr(evidence, "collect", diagnosed)
        yield made


def failed(result: Result) -> list[str]:
    return [outcome.part.name for outcome in result.parts.failed]


def orders(scene: Scene) -> list[str]:
    return [request for request in scene.server.requests if not request.startswith("GET")]


def test_data_loss_pauses_both_proves_it_and_does_nothing_else(scene: Scene) -> None:
    result = scene.answer("data-loss")
    assert orders(scene) == ["PUT /connectors/source/pause", "PUT /connectors/sink/pause"]
    assert failed(result) == ["diagnostics"]
    assert not [done for done in scene.done if done.startswith("freeze")]
    assert [o.part.name for o in result.parts.outcomes][:2] == ["pause", "prove"]


def test_a_connector_that_goes_on_is_named_and_evidence_is_kept_all_the_same(scene: Scene) -> None:
    scene.server.answers |= answers(sink="RUNNING")
    result = scene.answer("data-loss", seconds=0.3)
    assert failed(result) == ["pause", "prove", "diagnostics"]
    assert "NOT HALTED: sink: it is RUNNING" in result.parts.outcomes[1].text
    assert result.archive


def test_without_connect_the_rest_is_done(scene: Scene) -> None:
    scene.server.answers = {}
    result = scene.answer("data-loss", seconds=0.3)
    assert failed(result) == ["pause", "prove", "connect", "diagnostics"]
    assert result.archive


def test_one_that_cannot_be_paused_keeps_the_other_from_nothing(scene: Scene) -> None:
    scene.server.answers["PUT /connectors/source/pause"] = (400, {"error_code": 400, "message": "no"})
    scene.answer("data-loss", seconds=0.3)
    assert "PUT /connectors/sink/pause" in orders(scene)


def test_a_security_incident_is_preserved_the_most_volatile_first_and_isolated_then(scene: Scene) -> None:
    result = scene.answer("security-incident")
    assert scene.done == [
        *("processes.json of kafka", "processes.json of other", "stdout.log of kafka", "stdout.log of other"),
        *("diagnostics", "freeze kafka", "image of kafka", "networks of kafka"),
    ]
    names = [o.part.name for o in result.parts.outcomes]
    assert names.index("hashes") < names.index("pause") < names.index("isolate kafka")
    assert result.thaw == ("undo networks of kafka", "thaw kafka")
    assert "image of kafka: image done" in (result.folder / "custody.jsonl").read_text()


def test_nothing_is_cut_before_everything_is_kept_and_one_that_fails_keeps_no_other_from_it(scene: Scene) -> None:
    scene.found = (Suspect("kafka", scene.done, broken=("image",)), Suspect("connect", scene.done))
    result = scene.answer("security-incident")
    assert [done for done in scene.done if done.startswith(("freeze", "image", "networks"))] == [
        *("freeze kafka", "freeze connect", "image of kafka", "image of connect"),
        *("networks of kafka", "networks of connect"),
    ]
    assert failed(result) == ["diagnostics", "image of kafka"]
    assert result.thaw[-2:] == ("thaw kafka", "thaw connect")


def test_what_cannot_be_preserved_keeps_nothing_from_being_isolated(scene: Scene) -> None:
    scene.found = (
        Suspect("kafka", scene.done, broken=("stdout.log",)),
        Suspect("connect", scene.done, broken=("freeze",)),
    )
    result = scene.answer("security-incident")
    assert failed(result) == ["settings and logs of kafka", "diagnostics", "isolate connect"]
    assert "not preserved: stdout.log (The container engine does not answer.)" in str(result.parts.failed[0].text)
    assert "freeze kafka" in scene.done


def test_services_that_are_neither_container_nor_process_are_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident.suspects_, "of", lambda *_: ((), ("kafka",)))
    result = scene.answer("security-incident")
    assert "cannot freeze kafka: cut the network" in result.parts.failed[-1].text


def test_without_the_container_engine_the_rest_is_done(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise UnreachableError("The container engine does not answer.")

    monkeypatch.setattr(incident.suspects_, "of", refuse)
    result = scene.answer("security-incident")
    assert failed(result) == ["suspects", "diagnostics", "by hand"]
    assert len(orders(scene)) == 2


def test_originals_are_as_they_were_and_a_secret_is_in_no_copy(scene: Scene) -> None:
    result = scene.answer("security-incident")
    holding = {p.relative_to(result.folder).as_posix() for p in files(result) if CANARY in p.read_text()}
    assert holding == {f"originals/{name}/stdout.log" for name in ("kafka", "other")}
    escaped = {
        p.relative_to(result.folder).parts[0] for p in files(result) if json.dumps(CANARY)[1:-1] in p.read_text()
    }
    assert escaped == {"originals"}
    assert (result.folder / "redacted" / "kafka" / "stdout.log").read_text().startswith("login with")


def files(result: Result) -> list[Path]:
    return [p for p in result.folder.rglob("*") if p.is_file()]


def test_every_part_is_journalled_before_and_after(scene: Scene) -> None:
    result = scene.answer("data-loss")
    entries = [json.loads(line) for line in (result.folder / "journal.jsonl").read_text().splitlines()]
    assert [(e["step"], e["event"]) for e in entries[:4]] == [
        *(("pause", "begun"), ("pause", "done")),
        *(("prove", "begun"), ("prove", "done")),
    ]


# ---- the command ----


@pytest.fixture
def cli(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(command, "_opened", lambda _: (Live(), scene.pipeline))
    made = command._incident

    def with_reports(*arguments: Any) -> Incident:
        found = made(*arguments)
        found.reports = scene.reports
        return found

    monkeypatch.setattr(command, "_incident", with_reports)
    return lambda *words: main(["emergency", *words])


@pytest.mark.parametrize("kind", ["data-loss", "security-incident"])
def test_a_dry_run_touches_nothing(
    cli: Callable[..., int], scene: Scene, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(kind, "--dry-run") == 0
    assert "pause source and sink" in capsys.readouterr().out
    assert scene.server.requests == scene.done == []
    assert not scene.reports.exists()


def test_a_live_pipeline_is_halted_only_with_allow_acts(
    cli: Callable[..., int], scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("data-loss", "--yes") == 2
    assert "--allow-acts" in capsys.readouterr().err
    assert scene.server.requests == []


@pytest.mark.parametrize(("said", "status"), [("y", 1), ("n", 1), ("", 1)])
def test_it_asks_once(
    cli: Callable[..., int], scene: Scene, monkeypatch: pytest.MonkeyPatch, said: str, status: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or said)
    assert cli("data-loss", "--allow-acts") == status  # diagnostics fail here
    assert len(asked) == 1
    assert bool(orders(scene)) is (said == "y")


def test_it_says_whom_to_call(cli: Callable[..., int], scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    contacts = {"security": "#security", "emergency": "CTO", "escalation": [{"after_minutes": 0, "who": "On call"}]}
    scene.pipeline = pipeline_of("orders", connectors=CONNECTORS, connect={"url": scene.server.url}, contacts=contacts)
    cli("security-incident", "--yes", "--allow-acts")
    out = capsys.readouterr().out
    assert "security team, at once: #security" in out
    assert "at once: CTO" in out
    assert "thaw kafka" in out
    assert "SHA-256" in out
