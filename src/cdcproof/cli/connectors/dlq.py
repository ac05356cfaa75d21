"""`cdcproof connectors dlq NAME`: what a sink put aside, and why; `--clear` forgets it."""

from __future__ import annotations

import argparse

from cdcproof.cli.connectors.options import acting, add_acting, add_common, named, opened
from cdcproof.cli.tables import as_json, print_hanging
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.dead_letters import TOPIC_KEY, counted
from cdcproof.connectors.handled_dead_letters import note
from cdcproof.core.acts import written_down
from cdcproof.core.errors import UsageError
from cdcproof.core.secrets import scrub

_MOST_SHOWN = 20


def add_dlq(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `dlq`."""
    parser.description = (
        "Show the records in a sink's dead letter topic: where each came from and why it\n"
        "was put aside, never its values. With --clear they are deleted and noted as\n"
        "handled, as are those that retention has deleted: what was put aside since they\n"
        "were counted stays.\n"
        "Exit status: 0 none, or all deleted; 1 there are some; 2 the sink has no dead\n"
        "letter topic, 3 could not look."
    )
    parser.add_argument("name", metavar="NAME", help="the sink connector")
    parser.add_argument("--clear", action="store_true", help="delete the records; handle them first")
    add_common(parser, "cdcproof connectors dlq postgres-sink-connector")
    add_acting(parser, settles=False)


def run_dlq(arguments: argparse.Namespace) -> int:
    """Show them, or delete them."""
    here = opened(arguments)
    topic = named(here.connect.states([arguments.name]), arguments.name).config.get(TOPIC_KEY, "")
    if not topic:
        raise UsageError(
            f"{arguments.name} has no dead letter topic.", f"Its configuration would name one as {TOPIC_KEY}."
        )
    kafka = Kafka(here.pipeline.kafka)
    offsets = kafka.kept_offsets([topic])
    kept = sum(map(len, offsets.values()))
    if arguments.clear and any(one.stop for one in offsets.values()):
        act = f"delete the {kept:,} records of {topic} that are there"
        ends = {place: one.stop for place, one in offsets.items()}
        with acting(arguments, here) as control, written_down(control.write_down, act, ended="deleted"):
            if kept:
                kafka.delete_records(ends)
            note(here.pipeline.paths.reports, kafka.cluster_id(), ends)
        if arguments.json:
            print(as_json({"connector": arguments.name, "topic": topic, "deleted": kept}))
        else:
            print(f"{topic}: {kept:,} records deleted")
        return 0
    records = kafka.newest_records(topic, _MOST_SHOWN)[-_MOST_SHOWN:] if kept else ()
    if arguments.json:
        shown = [{"origin": r.origin, "error": scrub(r.error)} for r in records]
        print(as_json({"connector": arguments.name, "topic": topic, "records": kept, "newest": shown}))
    else:
        print(
            f"{arguments.name}: {counted(kept, topic)}{f'; the newest {len(records)}:' if kept > len(records) else ''}"
        )
        for record in records:
            print_hanging(f"  {record.origin or f'offset {record.offset}'}: ", scrub(record.error) or _NO_HEADERS)
    return 1 if kept else 0


_NO_HEADERS = "why is not known: set errors.deadletterqueue.context.headers.enable = true"
