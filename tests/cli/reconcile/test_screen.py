"""Progress of a reconciliation: lines on a terminal, nothing elsewhere."""

from __future__ import annotations

import io

import pytest

from cdcproof.cli.reconcile import screen
from cdcproof.cli.reconcile.screen import Screen, progress_text


class Terminal(io.StringIO):
    """A stream that says it is a terminal; `seen` is what stands on it at the end."""

    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        shown: list[str] = []
        for part in self.getvalue().split("\x1b["):
            if part.endswith("A"):
                shown = shown[: -int(part[:-1])]
            shown += part.removeprefix("J").split("\n")[:-1]
        return shown


@pytest.fixture(autouse=True)
def _draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_INTERVAL_SECONDS", 0)
    monkeypatch.setenv("COLUMNS", "100")


def test_each_table_at_work_has_a_line_that_is_renewed() -> None:
    terminal = Terminal()
    with Screen(terminal) as screen:
        screen.doing("orders", "opening")
        screen.doing("customers", "opening")
        screen.doing("orders", "reading", 500, 1_000)
        lines = terminal.seen()
        assert [line.split()[0] for line in lines] == ["orders", "customers"]
        assert "500 of 1,000 rows" in lines[0]
        screen.finished("orders")
        screen.doing("customers", "counting")
        assert [line.split() for line in terminal.seen()] == [["customers", "counting"]]
        screen.clear()
        assert terminal.seen() == []
        screen.doing("customers", "counting")
    assert terminal.seen() == []


def test_what_is_still_told_afterwards_is_not_drawn() -> None:
    terminal = Terminal()
    with Screen(terminal) as screen:
        pass
    screen.doing("orders", "reading", 1, 2)
    assert terminal.getvalue() == ""


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    screen = Screen(terminal)
    screen.doing("orders", "waiting for something that takes very many words to say", 0, 0)
    assert [len(line) for line in terminal.seen()] == [39]


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Screen(stream) as screen:
        screen.doing("orders", "reading", 1, 2)
        screen.finished("orders")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("rows", "of", "seconds", "expected"),
    [
        (0, 0, 5.0, "reading"),
        (0, 1_000, 5.0, "reading"),
        (500, 1_000, 0.0, "[##########          ] 500 of 1,000 rows"),
        (250, 1_000, 0.5, "[#####               ] 250 of 1,000 rows, 500/s, 2 s left"),
        (1_000, 1_000, 1.0, "[####################] 1,000 of 1,000 rows, 1,000/s, 0 s left"),
        (3_000, 1_000, 1.0, "reading 3,000 rows, 3,000/s"),
        (3_000, 0, 1.0, "reading 3,000 rows, 3,000/s"),
    ],
)
def test_progress_is_told_as_far_as_it_is_known(rows: int, of: int, seconds: float, expected: str) -> None:
    assert progress_text("reading", rows, of, seconds) == expected
