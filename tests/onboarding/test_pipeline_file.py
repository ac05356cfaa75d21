from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError, UsageError
from cdcproof.onboarding.pipeline_file import text_of, write
from cdcproof.pipeline.choice import resolve
from cdcproof.pipeline.model import load
from tests.pipelines import pipeline_of


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    pipeline = pipeline_of(
        "orders",
        "customers",
        registry={"url": "http://r:8081"},
        thresholds={"lag_seconds": 5},
        paths={"volumes": ["/a b", 'q"uote'], "reconciliation_reports": "rép"},
        waivers=[{"step": "morning.1-services", "reason": "a reason that is long", "expires": "2027-01-02"}],
    )
    path = tmp_path / "new" / "p.toml"
    comments = [("tables", "about\ntables " * 20), ("prometheus", "there is none"), ("source", "x = 1")]
    assert write(text_of(pipeline, comments), path, overwrite=False) == pipeline
    assert load(path) == pipeline
    assert not list(path.parent.glob("*.part"))
    assert max(len(line) for line in path.read_text().splitlines() if line.startswith("#")) <= 100


@pytest.mark.parametrize("name", ["embedded", "warehouse"])
def test_the_projects_own_files_survive_the_round_trip(name: str, tmp_path: Path) -> None:
    pipeline = load(resolve(name))
    assert write(text_of(pipeline), tmp_path / "p.toml", overwrite=False) == pipeline


def test_comments_stand_with_their_section() -> None:
    text = text_of(pipeline_of("orders"), [("source", "about the source"), ("registry", "no registry")])
    lines = text.splitlines()
    assert lines[lines.index("[source]") + 1] == "# about the source"
    assert "# no registry" in lines
    assert "\n\n\n" not in text
    assert tomllib.loads(text)["tables"][0]["name"] == "orders"


def test_a_file_that_exists_is_left_as_it_is_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("mine")
    text = text_of(pipeline_of("orders"))
    with pytest.raises(UsageError, match=r"p\.toml exists and is left as it is"):
        write(text, path, overwrite=False)
    assert path.read_text() == "mine"
    write(text, path, overwrite=True)
    assert path.read_text() == text


def test_what_does_not_load_is_not_put_in_place(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("mine")
    with pytest.raises(ConfigError):
        write("name = 1", path, overwrite=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write(text_of(pipeline_of("orders")), tmp_path / "file" / "p.toml", overwrite=False)
