"""Prometheus beside the pipeline: it scrapes the exporter, evaluates the rules and sends alerts to Alertmanager."""

from __future__ import annotations

from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.services import programs
from cdcproof.environments.embedded.services.service import Service
from cdcproof.environments.embedded.state import Instance

NAME = "prometheus"
_SCRAPED = {
    "reconciliation": "exporter-reconciliation",
    "connectors": "exporter-connect",
    "pushgateway": "pushgateway",
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
}
"""Job to the port that it scrapes: the jobs of monitoring/prometheus.yml."""
_OURS = ("reconciliation", "connectors", "pushgateway")
_PIPELINE = "embedded"


def command(instance: Instance) -> list[str]:
    """Write prometheus.yml, as JSON, which is YAML too, and return how Prometheus is started."""
    config = programs.write_json(instance.folders.settings / "prometheus.yml", _config(instance))
    return [
        programs.program(NAME),
        f"--config.file={config}",
        f"--storage.tsdb.path={instance.folders.data / 'prometheus'}",
        "--storage.tsdb.retention.size=256MB",
        f"--web.listen-address={instance.address(NAME)}",
    ]


def _config(instance: Instance) -> dict[str, object]:
    jobs = {
        job: port for job, port in _SCRAPED.items() if port not in programs.PROGRAMS or programs.find(port) is not None
    }
    return {
        "global": {
            "scrape_interval": "5s",
            "evaluation_interval": "5s",
        },
        "rule_files": [str(folders.monitoring() / "prometheus" / "rules" / "*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [instance.address("alertmanager")]}]}]},
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": job in _OURS,
                "static_configs": [
                    {"targets": [instance.address(port)], "labels": {"pipeline": _PIPELINE} if job in _OURS else {}}
                ],
            }
            for job, port in jobs.items()
        ],
    }


PROMETHEUS: Service = programs.service(NAME, port=9090, command=command)
