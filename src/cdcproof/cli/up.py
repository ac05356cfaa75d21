"""`cdcproof up`."""

from __future__ import annotations

import argparse
import sys

from cdcproof.cli.instance import add_instance
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import folders, lifecycle, services
from cdcproof.environments.embedded.services import programs

EXAMPLE = "cdcproof up --port kafka-connect=8083"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_instance(parser)
    parser.set_defaults(keeps_result=True, limit_seconds=3600.0)
    parser.add_argument(
        "--port",
        action="append",
        default=[],
        metavar="SERVICE=PORT",
        help="the port a service shall have; may be repeated (default: any free one, kept from then on)",
    )
    parser.add_argument(
        "--monitoring",
        action="store_true",
        help="Prometheus with the alert rules, Alertmanager and the Pushgateway too, where their programs are on PATH",
    )


def run(arguments: argparse.Namespace) -> int:
    """Start the instance and print where its parts answer."""
    name = folders.instance_name(arguments.instance)
    ports = _ports(arguments.port)
    with Progress() as progress:
        try:
            instance = lifecycle.up(name, progress, wanted_ports=ports, monitoring=arguments.monitoring)
        except KeyboardInterrupt:
            print(
                "cdcproof: interrupted. What had started goes on running: `cdcproof up` finishes, `cdcproof down` stops it.",
                file=sys.stderr,
            )
            return 130
    for what, where in {
        "Kafka Connect": instance.url("kafka-connect"),
        "schema registry": instance.url("schema-registry", "/apis/ccompat/v7"),
        "Kafka": instance.address("kafka"),
        "source": f"postgresql://cdcproof@{instance.address('postgres-source')}/warehouse_source",
        "target": f"postgresql://cdcproof@{instance.address('postgres')}/warehouse_target",
        **{name: instance.url(name) for name in programs.PROGRAMS if instance.is_alive(name)},
        "logs": instance.folders.logs,
    }.items():
        print(f"{what:<16}{where}")
    missing = services.missing() if arguments.monitoring else {}
    if missing:
        print(f"not started: {'; '.join(f'{name} ({why})' for name, why in missing.items())}")
    if any(programs.find(name) is None for name in missing):
        print("\n".join(f"  {line}" for line in programs.HOW_TO_GET_THEM))
    return 0


def _ports(words: list[str]) -> dict[str, int]:
    ports = {}
    for word in words:
        service, _, port = word.partition("=")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise UsageError(f"--port {word}: not SERVICE=PORT, with a port from 1 to 65535.", EXAMPLE)
        ports[service] = int(port)
    return ports
