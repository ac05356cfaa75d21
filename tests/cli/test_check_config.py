from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.onboarding.pipeline_file import text_of
from tests.onboarding.test_access import closed

PASSWORD = "check-config-secret"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)


def test_it_explains_then_tries_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text(text_of(closed()))
    assert main(["check-config", "--pipeline", "p.toml"]) == 3
    printed = capsys.readouterr().out
    explained, tried = printed.split("Trying each address and permission:")
    assert "orders: dbo.orders → topic t.orders → public.orders, key id" in " ".join(explained.split())
    assert "sink (sink, 2 tasks)" in " ".join(explained.split())
    assert "NO LOOK         kafka: Kafka does not answer at 127.0.0.1:1" in tried
    assert "need attention." in tried
    assert PASSWORD not in printed
    assert max(len(line) for line in printed.splitlines() if "→" not in line) <= 80


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text(text_of(closed()))
    assert main(["check-config", "--pipeline", "p.toml", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["pipeline"], answer["environment"], answer["exit_status"]) == ("test", "live", 3)
    assert {"subject", "outcome", "text", "remedy"} == set(answer["items"][0])


def test_a_file_that_does_not_load_names_line_and_key(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text(text_of(closed()).replace("[kafka]\n", "[kafka]\nbroker = 1\n"))
    assert main(["check-config", "--pipeline", "p.toml"]) == 2
    line = Path("p.toml").read_text().splitlines().index("broker = 1") + 1
    assert f"p.toml:{line}: kafka.broker: this key is not known" in capsys.readouterr().err


def test_a_wrong_file_wins_over_what_could_not_be_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    Path("p.toml").write_text(text_of(closed(paths={"backups": "/no/such/folder"})))
    assert main(["check-config", "--pipeline", "p.toml"]) == 2
    assert "WRONG           paths: backups: /no/such/folder" in capsys.readouterr().out
