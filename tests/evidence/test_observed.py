"""What the fixtures give our checks can be recorded, and is judged then as it was before: for every check, of every suite."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cdcproof.evidence.observed import values
from cdcproof.evidence.surroundings import RecordedEnvironment, Surroundings
from cdcproof.reporting.judge import EvidenceBook, judge
from cdcproof.reporting.record import StepRecord
from cdcproof.reporting.steps import Step
from tests.evidence.data import PIPELINE, of

ROOT = Path(__file__).parents[2]
FROM_SURROUNDINGS = {
    "pipeline": lambda _: PIPELINE,
    "remedies": Surroundings.remedies,
    "window_remedies": Surroundings.window_remedies,
}
SURROUNDINGS = Surroundings(PIPELINE, "warehouse", RecordedEnvironment("live"), "UTC")


def _functions(folder: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        yield from (
            (f"{path.parent.name}.{name}", one) for name, one in vars(module).items() if name.startswith(prefix)
        )


CHECKS: dict[str, Callable[..., None]] = dict(_functions("checks", "test_"))
FIXTURES = {
    name.partition(".")[2]: get_type_hints(one._get_wrapped_function()).get("return")
    for name, one in _functions("fixtures")
    if isinstance(one, pytest.FixtureDef) or hasattr(one, "_get_wrapped_function")
}


def judged(check: Callable[..., None], given: dict[str, Any]) -> StepRecord:
    """The record of the check, with what it was given."""
    book = EvidenceBook()
    raised: BaseException | None = None
    try:
        check(evidence=book, **given)
    except Exception as error:  # noqa: BLE001  the judge decides
        raised = error
    return judge(Step("s.1", "", "major", (), ""), raised, book, None, started_at=0, duration_seconds=0)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_judges_what_was_recorded_as_it_judged_what_was_seen(name: str) -> None:
    check = CHECKS[name]
    asked = [one for one in inspect.signature(check).parameters if one != "evidence"]
    around = {one: FROM_SURROUNDINGS[one](SURROUNDINGS) for one in asked if one in FROM_SURROUNDINGS}
    observed = st.fixed_dictionaries({one: of(FIXTURES[one]) for one in asked if one not in around})

    @settings(max_examples=10, deadline=None, database=None, phases=[Phase.generate])
    @given(observed)
    def is_judged_again(seen: dict[str, Any]) -> None:
        written = {one: json.dumps(values({"pipeline": PIPELINE}).write(value).data) for one, value in seen.items()}
        again = {one: values({"pipeline": PIPELINE}).read(json.loads(data)) for one, data in written.items()}
        first = judged(check, seen | around)
        assert first == judged(check, again | around)

    is_judged_again()
