"""Every check marked `connectors` both ways: green on the healthy pipeline, red on its own fault and only that one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from cdcproof.environments.embedded import connectors, lifecycle, passwords
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from cdcproof.reporting.record import StepRecord
from tests.integration.conftest import PASSWORDS, ROOT, Outcome, Pipelines

pytestmark = pytest.mark.integration

STEPS = (
    "connectors.1-database-connectivity",
    "connectors.2-topics",
    "connectors.3-capture",
    "connectors.4-permissions-sufficient",
    "connectors.5-permissions-excessive",
    "connectors.6-settings",
)
CONNECTIVITY, TOPICS, CAPTURE, SUFFICIENT, EXCESSIVE, SETTINGS = STEPS


def looked(pipe: Pipelines, *options: str) -> Outcome:
    outcome = pipe.checks("connectors", *options)
    assert "Traceback" not in outcome.output
    assert not [secret for secret in PASSWORDS.values() if secret in outcome.output]
    return outcome


def only(outcome: Outcome, step: str, verdict: Verdict = Verdict.FAILED) -> StepRecord:
    """This one has this verdict, and every other one passed."""
    assert outcome.verdicts() == {**dict.fromkeys(STEPS, Verdict.PASSED), step: verdict}, outcome.output
    assert (outcome.exit_status == 0) is verdict.is_green
    return outcome.step(step)


def follow(pipe: Pipelines, step: StepRecord, **environment: str) -> None:
    """Run what the check offers, as it is printed."""
    for command in step.action:
        done = pipe.paste(command, **environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@contextmanager
def with_files(pipe: Pipelines, folder: Path, **changes: dict[str, str]) -> Iterator[str]:
    """A pipeline file whose directory of connectors holds these changes; ``source`` and ``sink`` name them."""
    names = {"source": connectors.SOURCE, "sink": connectors.SINK}
    for kind, name in names.items():
        config = connectors.config(pipe.instance, name) | changes.get(kind, {})
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "config": config}))
    text = (ROOT / "fixtures" / "pipelines" / "embedded.toml").read_text()
    path = folder / "p.toml"
    path.write_text(text.replace("[paths]\n", f'[paths]\nconnectors = "{folder}"\n'))
    yield f"--pipeline={path}"


def test_all_is_in_order_on_a_healthy_pipeline(pipelines: Pipelines) -> None:
    outcome = looked(pipelines)
    assert outcome.verdicts() == dict.fromkeys(STEPS, Verdict.PASSED), outcome.output
    assert outcome.exit_status == 0
    seen = outcome.step(CONNECTIVITY).evidence[0].text
    assert f"{connectors.SOURCE}, from the worker" in seen
    assert f"{connectors.SINK}, from here" in seen


@pytest.mark.parametrize(("side", "role"), [("source", "cdc"), ("target", "sink")])
def test_a_password_that_is_no_longer_right(pipelines: Pipelines, side: Any, role: str) -> None:
    run = databases.source if side == "source" else databases.target
    known = passwords.of(pipelines.instance)
    right = (known.source if side == "source" else known.target).reveal()
    run(pipelines.instance, f"ALTER ROLE {role} PASSWORD 'another'")
    try:
        step = only(looked(pipelines), CONNECTIVITY)
    finally:
        run(pipelines.instance, f"ALTER ROLE {role} PASSWORD '{right}'")
    subjects = {difference.subject.partition(", ")[2] for difference in step.differences}
    assert subjects == ({"from the worker", "from here"} if side == "source" else {"from here"})
    assert f"-U {role}" in step.action[0]


def test_a_password_that_nobody_here_knows_is_not_checked(pipelines: Pipelines, tmp_path: Path) -> None:
    with with_files(pipelines, tmp_path, sink={"connection.password": "${file:/nowhere:key}"}) as option:
        step = only(looked(pipelines, option), CONNECTIVITY, Verdict.NOT_CHECKED)
    assert "Only the worker knows the password of sink" in step.reason


def test_a_topic_that_is_not_there_yet_is_a_warning(pipelines: Pipelines, tmp_path: Path) -> None:
    text = (ROOT / "fixtures" / "pipelines" / "embedded.toml").read_text()
    returns = '\n[[tables]]\nname = "returns"\nsource = "public.returns"\ntarget = "public.returns"\ntopic = "x"\nkey = ["id"]\n'
    own = connectors.config(pipelines.instance, connectors.SOURCE)["table.include.list"]
    reads = connectors.config(pipelines.instance, connectors.SINK)["topics"]
    include, topics = (
        {"table.include.list": f"{own},public.returns"},
        {"topics.regex": f".*returns|{reads.replace(',', '|')}"},
    )
    databases.source(
        pipelines.instance,
        "CREATE TABLE public.returns (id int PRIMARY KEY); GRANT SELECT ON public.returns TO cdc;"
        "ALTER PUBLICATION cdcproof ADD TABLE public.returns",
    )
    try:
        with with_files(pipelines, tmp_path, source=include, sink=topics) as option:
            path = Path(option.partition("=")[2])
            path.write_text(text.replace("\n[paths]\n", f'{returns}\n[paths]\nconnectors = "{tmp_path}"\n'))
            step = only(looked(pipelines, option), TOPICS, Verdict.WARNED)
    finally:
        databases.source(pipelines.instance, "DROP TABLE public.returns")
    assert [d.subject.rpartition(".")[2] for d in step.differences] == ["returns"]


def test_a_topic_that_a_sink_names_wrongly(pipelines: Pipelines, tmp_path: Path) -> None:
    topics = connectors.config(pipelines.instance, connectors.SINK)["topics"] + ",warehouse.public.custommers"
    with with_files(pipelines, tmp_path, sink={"topics": topics}) as option:
        step = only(looked(pipelines, option), TOPICS)
        follow(pipelines, step, PATH=f"{kafka_topics(tmp_path)}:{os.environ['PATH']}")
        after = looked(pipelines, option)
    admin = AdminClient({"bootstrap.servers": pipelines.located().kafka.bootstrap_servers})
    admin.delete_topics(["warehouse.public.custommers"])["warehouse.public.custommers"].result(20)
    assert after.verdicts() == dict.fromkeys(STEPS, Verdict.PASSED), after.output
    assert [(d.subject, d.found) for d in step.differences] == [("warehouse.public.custommers", "absent")]
    assert "--create --topic warehouse.public.custommers" in step.action[0]


def kafka_topics(folder: Path) -> Path:
    """The part of Kafka's `kafka-topics` that is offered: the embedded broker comes without its scripts."""
    tool = folder / "kafka-topics"
    tool.write_text(
        f"#!{sys.executable}\nimport argparse\nfrom confluent_kafka.admin import AdminClient, NewTopic\n"
        "given = argparse.ArgumentParser()\ngiven.add_argument('--create', action='store_true', required=True)\n"
        "given.add_argument('--bootstrap-server', required=True)\ngiven.add_argument('--topic', required=True)\n"
        "asked = given.parse_args()\nadmin = AdminClient({'bootstrap.servers': asked.bootstrap_server})\n"
        "admin.create_topics([NewTopic(asked.topic)])[asked.topic].result(20)\n"
    )
    tool.chmod(0o755)
    return folder


def test_a_table_that_is_not_captured(pipelines: Pipelines) -> None:
    databases.source(pipelines.instance, "ALTER PUBLICATION cdcproof DROP TABLE public.orders")
    try:
        step = only(looked(pipelines), CAPTURE)
        follow(pipelines, step)
    except BaseException:
        databases.source(pipelines.instance, "ALTER PUBLICATION cdcproof ADD TABLE public.orders")
        raise
    assert looked(pipelines).exit_status == 0
    assert [(d.subject, d.found) for d in step.differences] == [("public.orders", "not captured")]
    assert """ALTER PUBLICATION "cdcproof" ADD TABLE "public"."orders";""" in step.action[0]


def test_settings_that_would_lose_changes(pipelines: Pipelines, tmp_path: Path) -> None:
    with with_files(pipelines, tmp_path, sink={"insert.mode": "update"}, source={"skipped.operations": "d"}) as option:
        step = only(looked(pipelines, option), SETTINGS)
    assert {(d.subject, d.found, d.expected) for d in step.differences} == {
        (f"{connectors.SINK} insert.mode", "update", "upsert"),
        (f"{connectors.SOURCE} skipped.operations", "d", "t"),
    }


def test_a_publication_that_is_not_there(pipelines: Pipelines, tmp_path: Path) -> None:
    with with_files(pipelines, tmp_path, source={"publication.name": "elsewhere"}) as option:
        step = only(looked(pipelines, option), CAPTURE)
    assert step.differences[0].subject == "publication elsewhere"


@pytest.mark.parametrize(
    ("run", "take", "give", "subject"),
    [
        (databases.source, "REVOKE SELECT ON public.orders FROM cdc", "GRANT SELECT ON public.orders TO cdc", "SELECT on public.orders"),
        (databases.source, "ALTER ROLE cdc NOREPLICATION", "ALTER ROLE cdc REPLICATION", "replication"),
        (databases.target, "REVOKE DELETE ON public.orders FROM sink", "GRANT DELETE ON public.orders TO sink", "DELETE on public.orders"),
    ],
    ids=["read", "replicate", "delete"],
)  # fmt: skip
def test_a_permission_that_is_missing(pipelines: Pipelines, run: Any, take: str, give: str, subject: str) -> None:
    run(pipelines.instance, take)
    try:
        step = only(looked(pipelines), SUFFICIENT)
        assert [d.subject.partition(": ")[2] for d in step.differences] == [subject]
        follow(pipelines, step)
        assert looked(pipelines).exit_status == 0
    finally:
        run(pipelines.instance, give)


@pytest.mark.parametrize(
    ("run", "give", "take", "subject"),
    [
        (databases.source, "GRANT UPDATE ON public.orders TO cdc", "REVOKE UPDATE ON public.orders FROM cdc", "UPDATE on public.orders"),
        (databases.source, "ALTER ROLE cdc SUPERUSER", "ALTER ROLE cdc NOSUPERUSER", "superuser"),
        (databases.target, "ALTER ROLE sink CREATEROLE", "ALTER ROLE sink NOCREATEROLE", "createrole"),
    ],
    ids=["write", "superuser", "administer"],
)  # fmt: skip
def test_a_permission_that_is_too_much(pipelines: Pipelines, run: Any, give: str, take: str, subject: str) -> None:
    run(pipelines.instance, give)
    try:
        step = only(looked(pipelines), EXCESSIVE)
        follow(pipelines, step)
        assert looked(pipelines).exit_status == 0
    finally:
        run(pipelines.instance, take)
    assert [d.subject.partition(": ")[2] for d in step.differences] == [subject]


def test_what_does_not_answer_is_not_checked(pipelines: Pipelines) -> None:
    lifecycle.kill(pipelines.instance.name, "postgres-source")
    try:
        outcome = looked(pipelines)
    finally:
        pipelines.heal()
    # its plug-in cannot log in either: that one is told as refused by the worker, unless the look from here comes first
    assert {outcome.verdicts()[step] for step in (CAPTURE, SUFFICIENT, EXCESSIVE)} == {Verdict.NOT_CHECKED}
    assert not outcome.verdicts()[CONNECTIVITY].is_green
    assert outcome.verdicts()[TOPICS] is Verdict.PASSED
