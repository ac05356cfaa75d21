"""The alert on each check that failed or could not be checked, as Prometheus' rules and promtool's tests of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import Check

_WRITTEN = "# Written by `make generate` from the catalogue of checks, src/cdcproof/monitoring/catalogue.py.\n"
SCHEDULED = ("morning", "weekly", "monthly")
"""Suites that run by themselves. Somebody starts and watches the others: their alerts wake nobody, and end a day after the run."""
_SEVERITIES = {"critical": "critical", "major": "warning", "minor": "info"}
_NOT_GREEN = (Verdict.FAILED.metric_value, Verdict.NOT_CHECKED.metric_value)


def severity_of(check: Check) -> str:
    """Prometheus' severity of the alert on a check."""
    return _SEVERITIES[check.severity] if check.suite in SCHEDULED else "info"


def rules(checks: Sequence[Check], titles: Mapping[str, str]) -> str:
    """The rule file."""
    return _WRITTEN + "groups:\n  - name: checks\n    rules:\n" + "\n".join(_rule(c, titles[c.step]) for c in checks)


def _rule(check: Check, title: str) -> str:
    status = f'cdcproof_check_status{{check="{check.step}"}}'
    failed = " or ".join(f"{status} == {value}" for value in _NOT_GREEN)
    expression = f"        expr: {failed}\n"
    if check.suite not in SCHEDULED:
        old = "(time() - cdcproof_suite_last_run_timestamp_seconds > 86400)"
        expression = f"        expr: ({failed}) unless on (suite, pipeline) {old}\n"
    outcome = "{{ if eq $value 2.0 }}failed{{ else }}could not be checked{{ end }}"
    return (
        f"      - alert: {check.alert}\n"
        f"{expression}"
        f"        labels: {{severity: {severity_of(check)}, team: database-ops}}\n"
        f"        annotations:\n"
        f"          summary: {_text(f'Not green: {title}')}\n"
        f'          description: "{check.step} of {{{{ $labels.pipeline }}}} {outcome}"\n'
        f"          action: Read the report of the run, and what to do, with `cdcproof remedy {check.step}`.\n"
        f"          runbook_url: docs/RUNBOOK.md#{check.anchor}\n"
        f"          oncall: cdcproof oncall {check.alert} "
        f"'pipeline={{{{ $labels.pipeline | reReplaceAll \"'\" \"'\\\\''\" }}}}'\n"
    )


def tests(checks: Sequence[Check]) -> str:
    """The file of promtool's tests: what each alert does with each verdict, and with none."""
    head = "rule_files: [../rules/checks.yml, ../rules/services.yml]\nevaluation_interval: 1m\ntests:\n"
    return _WRITTEN + head + "\n".join(_tests(check) for check in checks)


def _tests(check: Check) -> str:
    """One test with a pipeline for each verdict, and with a Pushgateway that goes down after 3 minutes.

    A suite that is run by hand has two more: at the second minute its run was a day ago, and a second more than a day.
    """
    series = f'cdcproof_check_status{{check="{check.step}", suite="{check.suite}", pipeline="PIPELINE"}}'
    alerts = f'ALERTS{{alertname="{check.alert}", alertstate="firing"}}'
    firing = (
        f'ALERTS{{alertname="{check.alert}", alertstate="firing", check="{check.step}", suite="{check.suite}", '
        f'pipeline="PIPELINE", severity="{severity_of(check)}", team="database-ops"}}'
    )
    gateway = 'up{job="pushgateway", instance="gateway"}'
    exporter_down = 'ALERTS{alertname="ExporterDown", alertstate="firing", job="pushgateway"}'
    down = (
        'ALERTS{alertname="ExporterDown", alertstate="firing", job="pushgateway", instance="gateway", '
        'severity="critical", team="infrastructure"}'
    )
    inputs = {"failed": "2x2 0x2", "unseen": "3x2 0x2", **{f"verdict-{v}": f"{v}x4" for v in (0, 1, 4, 5)}}
    runs: dict[str, str] = {}
    looks: dict[str, tuple[str, ...]] = {"2m": ("failed", "unseen"), "3m": ()}
    if check.suite not in SCHEDULED:
        inputs |= {"day-old": "2x2 0x2", "older": "2x2 0x2"}
        runs = {"day-old": "-86280x4", "older": "-86281x4"}
        looks["2m"] = ("failed", "unseen", "day-old")
    last_run = f'cdcproof_suite_last_run_timestamp_seconds{{suite="{check.suite}", pipeline="PIPELINE"}}'
    lines = [
        f"  - name: {check.alert} fires, does not fire just below, resolves, is not hidden by a missing series",
        "    interval: 1m",
        "    input_series:",
        *(f"      - {{series: '{series.replace('PIPELINE', name)}', values: '{v}'}}" for name, v in inputs.items()),
        *(f"      - {{series: '{last_run.replace('PIPELINE', name)}', values: '{v}'}}" for name, v in runs.items()),
        f"      - {{series: '{gateway}', values: '1x2 0x9'}}",
        "    promql_expr_test:",
    ]
    for when, names in looks.items():
        samples = ", ".join(f"{{labels: '{firing.replace('PIPELINE', name)}', value: 1}}" for name in names)
        lines += [f"      - {{expr: '{alerts}', eval_time: {when}, exp_samples: [{samples}]}}"]
    lines += [f"      - {{expr: '{exporter_down}', eval_time: 8m, exp_samples: [{{labels: '{down}', value: 1}}]}}"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
