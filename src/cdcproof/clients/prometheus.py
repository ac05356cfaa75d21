"""The client of a page of metrics, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from prometheus_client import parser
from prometheus_client.metrics_core import Metric

from cdcproof.clients.http import Http, shown
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.secrets import scrub

Labels = tuple[tuple[str, str], ...]

_parse = cast("Callable[[str], Iterator[Metric]]", parser.text_string_to_metric_families)


@dataclass(frozen=True)
class Sample:
    """One series and its value, under the name that is written in the text (``…_total`` included)."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True)
class Metrics:
    """What one scrape returned. A series that was not returned is absent: it is never zero."""

    url: str
    samples: tuple[Sample, ...]

    def series(self, name: str) -> dict[Labels, float]:
        """Every series of that name, letter for letter, by its labels in alphabetical order."""
        return {sample.labels: sample.value for sample in self.samples if sample.name == name}

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """The values of `name` by the value of one label; series without that label are left out.

        Raises `UnexpectedAnswerError` when two series have the same value for it: neither would be the right one.
        """
        found: dict[str, float] = {}
        for labels, value in self.series(name).items():
            key = dict(labels).get(label)
            if key is None:
                continue
            if key in found:
                raise UnexpectedAnswerError(f'{self.url} has more than one series {name}{{{label}="{key}"}}.')
            found[key] = value
        return found


def scrape(url: str, service_name: str = "Metrics") -> Metrics:
    """Read the metrics at `url`. Errors as `cdcproof.clients.http.Http`; text of another format is one too."""
    return parse(Http(service_name, url).get_text(), shown(url))


def parse(text: str, url: str) -> Metrics:
    """Read metrics in Prometheus' text format; `url` names them in errors."""
    try:
        samples = tuple(
            Sample(sample.name, tuple(sorted(sample.labels.items())), float(sample.value))
            for family in _parse(text)
            for sample in family.samples
        )
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise UnexpectedAnswerError(
            f"{url} does not answer with metrics in Prometheus' text format: {scrub(str(error))[:200]}"
        ) from None
    return Metrics(url, samples)
