"""Watching, with looks that follow a script in place of a clock: each is made as often as the time allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest

from cdcproof.clients.kafka.consumer_groups import Group, PartitionLag
from cdcproof.core.errors import CouldNotLookError, UnreachableError
from cdcproof.findings import require
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.pipeline.model import HttpService
from cdcproof.validation.soak import watch as soak
from cdcproof.validation.soak.samples import Seen
from cdcproof.validation.soak.watch import Watched, watch
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of


def scripted(*states: str | None) -> Callable[[], Seen]:
    """One state after the other, the last one for ever; None for a look that cannot be made."""
    left = list(states)

    def look() -> Seen:
        state = left.pop(0) if len(left) > 1 else left[0]
        if state is None:
            raise UnreachableError("Kafka Connect does not answer.")
        return Seen(words={"sink/0": state})

    return look


def part(look: Callable[[], Seen], *, optional: bool = False) -> Watched:
    return Watched("Kafka Connect", look, every_seconds=0.01, expected={"sink/0": "RUNNING"}, optional=optional)


def quietly(_: float) -> None:
    pass


def test_every_part_is_looked_at_from_the_start_to_the_end() -> None:
    found = watch([part(scripted("RUNNING"))], 0.3, quietly)

    assert found.found() == found.must_be()
    times = [at for at, _ in found.parts[0].looks]
    assert times[0] < 0.3
    assert times[-1] >= 0.3
    assert len(times) >= 4


def test_a_flap_that_recovered_is_found() -> None:
    found = watch([part(scripted("RUNNING", "FAILED", "RUNNING"))], 0.3, quietly)

    assert found.found()["sink/0"] == "FAILED from 0 s to 0 s, RUNNING again at the end"


def test_a_part_that_stops_answering_is_found() -> None:
    found = watch([part(scripted("RUNNING", None, "RUNNING"))], 0.3, quietly)

    with pytest.raises(CouldNotLookError, match="Kafka Connect: no answer from"):
        require(found.observation())


def test_an_optional_part_that_was_never_there_is_not_watched() -> None:
    found = watch([part(scripted(None), optional=True), part(scripted("RUNNING"))], 0.2, quietly)

    assert found.not_watched() == {"Kafka Connect": "Kafka Connect does not answer."}
    assert found.found() == found.must_be()


def test_an_optional_part_that_goes_away_is_found() -> None:
    found = watch([part(scripted("RUNNING", None), optional=True)], 0.2, quietly)

    with pytest.raises(CouldNotLookError, match=r"no answer from \d+ s to the end"):
        require(found.observation())


def test_a_part_that_hangs_does_not_keep_the_others_from_looking() -> None:
    waiting = threading.Event()

    def hang() -> Seen:
        waiting.wait(5)
        return Seen()

    def looking(over: float) -> None:
        if over >= 0.2:
            waiting.set()

    found = watch([part(hang), part(scripted("RUNNING"))], 0.2, looking)

    assert len(found.parts[1].looks) >= 4


def test_an_interrupted_soak_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch([part(scripted("RUNNING"))], 3600, interrupt)


@pytest.mark.parametrize(
    ("partition", "word", "behind"),
    [
        (PartitionLag("t", 0, 5, 4, 9, 3.0), "nothing lost", 3.0),
        (PartitionLag("t", 0, 1, 4, 9, 3.0), "3 records deleted unread", 3.0),
        (PartitionLag("t", 0, 12, 4, 9, 0.0), "t/0 ends at 9, before 12, to which it was read", 0.0),
        (PartitionLag("t", 0, 5, 4, 9, -900.0), "nothing lost", None),
    ],
)
def test_sinks_are_watched_for_what_they_lose_and_for_an_age_that_is_none(
    monkeypatch: pytest.MonkeyPatch, partition: PartitionLag, word: str, behind: float | None
) -> None:
    group = Group("connect-sink", "STABLE", 1)
    lag = SinkLag((group,), {group.name: (partition,)})
    monkeypatch.setattr("cdcproof.observations.readings.sink_lag", lambda *_: lag)
    watched = soak._sinks(pipeline_of("orders"))
    seen = watched.look()

    assert seen.words == {"connect-sink": "stable", "connect-sink: topics": word}
    assert watched.expected == {"connect-sink": "stable", "connect-sink: topics": "nothing lost"}
    measured = seen.levels["connect-sink: s behind"]
    assert math.isnan(measured) if behind is None else measured == behind


def test_connectors_are_watched_by_connectors_own_words() -> None:
    sink = connector("sink", {"name": "sink"}, tasks=("RUNNING", "FAILED"))
    with serving({EXPANDED: (200, {"sink": sink})}) as server:
        watched = soak._connectors(pipeline_of("orders", connect={"url": server.url}))
        seen = watched.look()

    assert seen.words == {"sink": "RUNNING", "sink/0": "RUNNING", "sink/1": "FAILED"}
    assert watched.expected["source/0"] == "RUNNING"


EXPORTER = b"""# TYPE reconciliation_row_count_mismatch_total counter
reconciliation_row_count_mismatch_total{table="orders"} 2
# TYPE connector_deployments_total counter
connector_deployments_total{status="success"} 7
connector_deployments_total{status="failure"} 1
"""


def test_an_exporters_error_counters_are_watched_and_no_others() -> None:
    with serving({"GET /metrics": (200, EXPORTER)}) as server:
        seen = soak._exporter("the exporter", f"{server.url}/metrics").look()

    assert seen.counters == {
        "reconciliation_row_count_mismatch_total{table=orders}": 2.0,
        "connector_deployments_total{status=failure}": 1.0,
    }


def test_alerts_are_named_by_what_tells_them_apart_and_those_of_another_pipeline_are_not_ours() -> None:
    labels = {"__name__": "ALERTS", "alertname": "ConnectorDown", "alertstate": "firing", "severity": "critical"}
    of_sink = {**labels, "connector": "sink", "job": "cdcproof"}
    metrics = [of_sink, of_sink | {"connector": "source", "pipeline": "ours"}, of_sink | {"pipeline": "other"}]
    vector = [{"metric": metric, "value": [1, "1"]} for metric in metrics]
    from urllib.parse import quote_plus

    asked = {f"GET /api/v1/query?query={quote_plus(soak._ALERTS)}": (200, {"data": {"result": vector}})}
    with serving(asked) as server:
        alerts, _ = soak._prometheus(HttpService(url=server.url), "ours")
        seen = alerts.look()

    assert seen.words == {f"alert ConnectorDown{{connector={name}}}": "firing" for name in ("sink", "source")}
