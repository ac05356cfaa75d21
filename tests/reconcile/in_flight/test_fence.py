"""One fence for several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from cdcproof.core.errors import DeadlineError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.databases.contracts.log import Log
from cdcproof.reconcile.in_flight import fence as fence_module
from cdcproof.reconcile.in_flight.fence import Crossing, Method, SeenAtTarget, SharedFence, weakest
from tests.reconcile.sides import FenceThen

THREADS = 8


@dataclass
class Numbered:
    """Numbers its crossings; the first lasts until `asked` was released as often as `waits_for`."""

    waits_for: int = 0
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    begun: int = 0
    stuck: bool = False
    method: Method = "position"
    takes_time: bool = True

    def cross(self, tell: Callable[[str], None], asked: Deadline | None = None) -> Crossing:
        self.begun += 1
        number = self.begun
        if number == 1:
            assert all(self.asked.acquire(timeout=20) for _ in range(self.waits_for))
        tell(f"crossing {number}")
        if self.stuck:
            raise DeadlineError("stuck")
        return Crossing(self.method, str(number), 0.0)


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released at each question, and at the beginning of each crossing."""
    taken = threading.Semaphore(0)

    def now(seconds: float) -> Deadline:
        deadline = Deadline(seconds)
        taken.release()
        return deadline

    monkeypatch.setattr(fence_module, "Deadline", now)
    return taken


def test_whoever_asks_gets_a_crossing_that_began_afterwards_and_shares_it(questions: threading.Semaphore) -> None:
    fence = Numbered(
        waits_for=THREADS + 2, asked=questions
    )  # the first one's question, its crossing, and all others' questions
    shared = SharedFence(fence)

    def ask(_: int) -> str:
        return shared.cross(lambda _: None).position

    with ThreadPoolExecutor(THREADS + 1) as pool:
        answers = sorted(pool.map(ask, range(THREADS + 1)))
    assert answers == ["1", *["2"] * THREADS]
    assert fence.begun == 2
    assert shared.method == "position"


def test_a_crossing_answers_whoever_comes_later_and_asked_before_it_began() -> None:
    within: list[Deadline] = []
    shared = SharedFence(FenceThen(lambda: within.append(Deadline(0))))
    asked = Deadline(0)
    first = [shared.cross(lambda _: None, asked) for _ in range(3)]
    assert (len(within), first[0] == first[1] == first[2]) == (1, True)

    shared.cross(lambda _: None, within[0])  # what was written while it was crossed may have missed it
    assert len(within) == 2


def test_what_is_stuck_is_stuck_for_whoever_asked_before_it_began() -> None:
    fence, asked = Numbered(stuck=True), Deadline(0)
    shared = SharedFence(fence)
    for _ in range(3):
        with pytest.raises(DeadlineError, match="stuck"):
            shared.cross(lambda _: None, asked)
    assert fence.begun == 1


def test_one_after_the_other_each_has_its_own() -> None:
    shared = SharedFence(Numbered())
    assert [shared.cross(lambda _: None).position for _ in range(3)] == ["1", "2", "3"]


def test_what_is_stuck_is_stuck_for_all_and_can_be_tried_again() -> None:
    fence = Numbered(stuck=True)
    shared = SharedFence(fence)
    for _ in range(2):
        with pytest.raises(DeadlineError, match="stuck"):
            shared.cross(lambda _: None)
    fence.stuck = False
    assert shared.cross(lambda _: None).position == "3"


def test_one_timer_among_fences_makes_the_answer_a_timers() -> None:
    position, timer = Crossing("position", "0/1", 1.0), Crossing("timer", "0/2", 1.0)
    assert weakest([position, timer, position]) == "timer"
    assert weakest([position]) == "position"
    assert weakest([]) == "none needed"


def test_all_who_share_a_crossing_that_is_stuck_get_its_error(questions: threading.Semaphore) -> None:
    fence = Numbered(waits_for=THREADS + 2, stuck=True, asked=questions)
    shared = SharedFence(fence)

    def ask(_: int) -> str:
        try:
            return str(shared.cross(lambda _: None))
        except DeadlineError as error:
            return error.message

    with ThreadPoolExecutor(THREADS + 1) as pool:
        assert list(pool.map(ask, range(THREADS + 1))) == ["stuck"] * (THREADS + 1)
    assert fence.begun == 2


def test_it_takes_time_as_the_fence_does() -> None:
    for takes_time in (True, False):
        assert SharedFence(Numbered(takes_time=takes_time)).takes_time is takes_time


@dataclass
class Target:
    """The session at the target: of a primary, which is no copy, or of a standby."""

    copy: str

    def copy_of_another(self) -> str:
        return self.copy


def seen(copy: str, method: Method = "position") -> tuple[SeenAtTarget, Numbered]:
    fence = Numbered(method=method, takes_time=method == "position")
    target: Log = Target(copy)  # type: ignore[assignment]
    return SeenAtTarget(fence, target), fence


def test_behind_a_position_nothing_is_seen_at_a_standby_that_may_not_have_it_yet() -> None:
    at_standby, fence = seen("The target is a standby")
    with pytest.raises(UnexpectedAnswerError) as raised:
        at_standby.cross(lambda _: None)
    assert raised.value.message == (
        "The target is a standby: whether what differs is lost, or was not replayed there yet, cannot be seen."
    )
    assert raised.value.remedy == "Name the primary under [target]: the sink writes to it."
    assert fence.begun == 0


@pytest.mark.parametrize(("copy", "method"), [("", "position"), ("", "timer"), ("The target is a standby", "timer")])
def test_a_primary_and_a_timer_are_crossed_as_the_fence_is(copy: str, method: Method) -> None:
    at_target, _ = seen(copy, method)
    heard: list[str] = []
    assert at_target.cross(heard.append) == Crossing(method, "1", 0.0)
    assert heard == ["crossing 1"]
    assert (at_target.method, at_target.takes_time) == (method, method == "position")
