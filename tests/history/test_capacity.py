from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError
from cdcproof.history.capacity import add, file_of

DAY = 86_400.0


def test_each_measurement_is_kept_beside_the_earlier_ones(tmp_path: Path) -> None:
    path = file_of(tmp_path / "reports")

    assert add(path, 1 * DAY, {"a": 10, "b": 1}) == {"a": ((DAY, 10),), "b": ((DAY, 1),)}
    assert add(path, 8 * DAY, {"a": 20}) == {"a": ((DAY, 10), (8 * DAY, 20))}
    assert add(path, 500 * DAY, {"a": 30}) == {"a": ((500 * DAY, 30),)}
    assert add(path, 500 * DAY, {"b": 2})["b"][-1] == (500 * DAY, 2)


def test_what_a_clock_that_was_ahead_left_is_not_believed(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    add(path, 90 * DAY, {"a": 10})

    assert add(path, 8 * DAY, {"a": 20}) == {"a": ((8 * DAY, 20),)}


@pytest.mark.parametrize(
    "text", ["{", '{"format": 9, "sizes": {}}', '{"format": 1}', "[]", '{"format": 1, "sizes": {"a": [5]}}']
)
def test_a_file_that_cannot_be_used_is_named_and_not_begun_anew(tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path)
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"capacity\.json: The history of sizes cannot be read"):
        add(path, DAY, {"a": 1})
    assert path.read_text() == text


def test_a_directory_that_may_not_be_written_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be kept"):
        add(tmp_path / "file" / "capacity.json", DAY, {"a": 1})


def test_measurements_at_the_same_time_do_not_cost_each_other(tmp_path: Path) -> None:
    path = file_of(tmp_path)
    threads = [threading.Thread(target=add, args=(path, DAY + n, {f"s{n}": n})) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(json.loads(path.read_text())["sizes"]) == {f"s{n}" for n in range(20)}
