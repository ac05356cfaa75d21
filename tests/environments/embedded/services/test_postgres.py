"""A server's data folder. Nothing is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdcproof.environments.embedded import folders, passwords
from cdcproof.environments.embedded.services import postgres, postgres_cluster
from cdcproof.environments.embedded.state import Instance


def test_the_empty_cluster_that_another_instance_took_away_is_made_again_before_it_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down --remove` of another state folder does that, while this instance starts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(folders, "server_account", lambda: None)
    cluster, copied = tmp_path / "empty", []
    monkeypatch.setattr(postgres_cluster, "ready", cluster.mkdir)

    def make(programs: Path, data: Path, *_: Any) -> None:
        del programs
        copied.append(cluster.exists())
        data.mkdir()

    monkeypatch.setattr(postgres_cluster, "make", make)
    folders.make("one")
    instance = Instance("one", {"postgres": 1})
    passwords.make(instance)

    postgres.TARGET.how_to_start(instance, None, None)  # type: ignore[arg-type]  neither Java nor its parts
    assert copied == [True]
