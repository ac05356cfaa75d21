"""The manifests that people apply: whole, of an account that is nobody, and with flags and variables that exist. No cluster runs them here."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdcproof.cli.reconcile.compare import add_arguments
from cdcproof.cli.reconcile.inputs import DEFAULT_PASSWORD_VARIABLES

ROOT = Path(__file__).parents[1]
MANIFESTS = [
    document
    for file in sorted((ROOT / "docs" / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
JOBS = [document for document in MANIFESTS if document["kind"] in ("CronJob", "Job")]


def spec_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["jobTemplate"]["spec"] if job["kind"] == "CronJob" else job["spec"]
    return spec


def named(jobs: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(job, id=job["metadata"]["name"]) for job in jobs]


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = spec_of(job)["template"]["spec"]["containers"]
    return container  # type: ignore[no-any-return]


def test_there_is_a_job_for_each_part_of_the_day() -> None:
    commands = [" ".join(container_of(job)["args"][:3]) for job in JOBS]
    assert {"cdcproof reconcile", "cdcproof reconcile --validate-checksums", "pytest -m morning"} <= set(commands)


@pytest.mark.parametrize("job", named(JOBS))
def test_a_job_is_of_nobody_and_keeps_what_it_writes(job: dict[str, Any]) -> None:
    pod, container = spec_of(job)["template"]["spec"], container_of(job)
    assert pod["restartPolicy"] == "Never", "else Kubernetes would try a difference again"
    image_account = re.search(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert image_account
    assert pod["securityContext"]["runAsUser"] == int(image_account[1])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


@pytest.mark.parametrize("job", named(JOBS))
def test_passwords_come_from_secrets_by_the_names_that_the_commands_read(job: dict[str, Any]) -> None:
    variables = {one["name"]: one for one in container_of(job)["env"]}
    for name in DEFAULT_PASSWORD_VARIABLES.values():
        assert set(variables[name]) == {"name", "valueFrom"}
        assert set(variables[name]["valueFrom"]["secretKeyRef"]) == {"name", "key"}


@pytest.mark.parametrize("job", named(JOBS))
def test_a_command_is_one_that_there_is(job: dict[str, Any], pytestconfig: pytest.Config) -> None:
    program, *arguments = container_of(job)["args"]
    if program == "cdcproof":
        command, *flags = arguments
        assert command == "reconcile"
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        parser.parse_args(flags)  # ends the test where a flag is not known
        return
    known = {name for group in pytestconfig._parser._groups for option in group.options for name in option.names()}
    flags = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    assert flags
    assert [flag for flag in flags if flag not in known] == []


@pytest.mark.parametrize("job", named([job for job in JOBS if "reconcile" in container_of(job)["args"]]))
def test_what_is_different_is_not_tried_again_and_what_could_not_look_is(job: dict[str, Any]) -> None:
    spec = spec_of(job)
    (by_status,) = [rule for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert by_status["onExitCodes"]["containerName"] == container_of(job)["name"]
    assert by_status["onExitCodes"]["operator"] == "In"
    assert by_status["onExitCodes"]["values"] == [1, 2], "a mismatch, and usage; 3 is tried again"
    assert spec.get("backoffLimit") or spec.get("backoffLimitPerIndex")
