"""Messages at real receivers on loopback: delivered, refused, late, and never more than a sentence for the run."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cdcproof.core.secrets import known
from cdcproof.findings import Verdict
from cdcproof.oncall.notify import addresses, notify
from cdcproof.pipeline.notification import Notify
from tests.canned import serving
from tests.plugin_project import FINE, SERVICES_DOWN, Project
from tests.reporting.runs import record_of, run_of

pytest_plugins = "pytester"

RED = run_of(record_of("morning.a"), record_of("morning.b", Verdict.FAILED, "sink/0 s3cret-canary"))
RULES = Notify(urls_env="TEST_NOTIFY_URLS", deadline_seconds=10)


def send(monkeypatch: pytest.MonkeyPatch, *urls: str, rules: Notify = RULES) -> list[str]:
    monkeypatch.setenv("TEST_NOTIFY_URLS", " ".join(urls))
    return notify(rules, RED, ["morning.b: passed → failed"], "reports/morning.html")


def test_every_receiver_gets_the_message_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    known(["s3cret-canary"])
    with serving({"POST /one": (200, {}), "POST /two": (200, {})}) as canned:
        address = canned.url.removeprefix("http://")
        assert send(monkeypatch, f"json://{address}/one", f"json://{address}/two") == []

    assert sorted(canned.requests) == ["POST /one", "POST /two"]
    for body in canned.bodies:
        assert body["title"].startswith("NOT GREEN: morning of example")
        assert "sink/0 [redacted]: expected RUNNING, found FAILED" in body["message"]
        assert "s3cret" not in str(body)


def test_a_password_in_an_address_is_in_no_message_either(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(record_of("morning.b", Verdict.FAILED, "login with pass/canary and pass%2Fcanary"))
    with serving({"POST /x": (200, {})}) as canned:
        monkeypatch.setenv("TEST_NOTIFY_URLS", f"json://me:pass%2Fcanary@{canned.url.removeprefix('http://')}/x")
        assert notify(RULES, run, [], "x") == []

    assert "login with [redacted] and [redacted]" in canned.bodies[0]["message"]
    assert "canary" not in str(canned.bodies)


def test_a_receiver_that_refuses_keeps_nobody_else_from_hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"POST /fine": (200, {}), "POST /tokentoken/away": (500, {})}) as canned:
        address = canned.url.removeprefix("http://")
        problems = send(monkeypatch, f"json://me:passpass@{address}/tokentoken/away", f"json://{address}/fine")

    assert canned.requests.count("POST /fine") == 1
    [problem] = problems
    assert problem.startswith("Message 1 of 2 (json://…) was not delivered: JSON did not take the message: ")
    assert "error=500" in problem
    assert not [secret for secret in ("passpass", "tokentoken", "127.0.0.1") if secret in problem]


def test_a_receiver_that_is_not_there_and_an_address_that_is_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        problems = send(
            monkeypatch, f"json://127.0.0.1:{port}/x", "slack://secretsecret", "no-address-at-all", "odd://x/y"
        )

    assert [problem.partition(" was not")[0] for problem in problems] == [
        "Message 1 of 4 (json://…)",
        "Message 2 of 4 (slack://…)",
        "Message 3 of 4 (no kind)",
        "Message 4 of 4 (odd://…)",
    ]
    assert "A Connection error occurred" in problems[0]
    assert not [secret for secret in ("127.0.0.1", "secretsecret", "no-address-at-all") if secret in str(problems)]


def test_a_receiver_that_says_nothing_is_waited_for_no_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, serving({"POST /fine": (200, {})}) as canned:
        began = time.monotonic()
        problems = send(
            monkeypatch,
            f"json://127.0.0.1:{silent.getsockname()[1]}/x",
            f"json://{canned.url.removeprefix('http://')}/fine",
            rules=RULES.model_copy(update={"deadline_seconds": 0.5}),
        )
        took = time.monotonic() - began

    assert problems == ["Message 1 of 2 (json://…) was not delivered: it did not answer within 0.5 s."]
    assert canned.requests == ["POST /fine"]
    assert took < 4  # what Apprise itself would wait


def test_an_environment_without_addresses_and_a_python_without_apprise_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_NOTIFY_URLS", raising=False)
    assert notify(RULES, RED, [], "x") == [
        "No message was sent: the environment variable TEST_NOTIFY_URLS is not set or holds no address."
    ]
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert send(monkeypatch, "json://127.0.0.1/x") == [
        "No message was sent: The package apprise is not installed, so no message can be sent. pip install 'cdcproof[notify]'"
    ]


def test_a_pipeline_without_the_section_and_a_run_nobody_wants_send_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_NOTIFY_URLS", raising=False)
    assert notify(None, RED, [], "x") == []
    assert notify(RULES, run_of(record_of("weekly.a")), [], "x") == []


@pytest.mark.parametrize("between", [" ", "\n", ",", ", ", " ,\n"])
def test_addresses_may_stand_one_after_the_other(between: str) -> None:
    value = between.join(["json://a/x,y", "mailto://u:p@h?to=a@b.c,d@e.f"])
    assert [url.reveal() for url in addresses(f" {value}\n")] == ["json://a/x,y", "mailto://u:p@h?to=a@b.c,d@e.f"]
    assert addresses(" ") == []


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A server that takes every mail: its port, and what it was sent."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def test_a_mail_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as (port, mails):
        assert (
            send(
                monkeypatch, f"mailto://127.0.0.1:{port}?from=cdcproof@example.org&to=oncall@example.org&mode=insecure"
            )
            == []
        )

    [mail] = mails
    assert "oncall@example.org" in mail
    assert "Subject: NOT GREEN" in mail.replace("=?utf-8?q?NOT_GREEN", "NOT GREEN")


NOTIFY = '[notify]\nurls_env = "TEST_NOTIFY_URLS"\ndeadline_seconds = 5\n'


@pytest.mark.parametrize(("checks", "status"), [(FINE, 0), (SERVICES_DOWN, 1)], ids=["green", "red"])
def test_a_failed_delivery_changes_no_verdict_and_is_on_the_terminal_and_in_the_report(
    project: Project, monkeypatch: pytest.MonkeyPatch, checks: str, status: int
) -> None:
    monkeypatch.setenv("TEST_NOTIFY_URLS", "json://127.0.0.1:1/tokentoken")
    project.pipeline(tables=NOTIFY)
    project.checks(checks)

    result = project.run("-m", "morning")

    told = "Message 1 of 1 (json://…) was not delivered: JSON did not take the message: "
    assert result.ret == status
    assert told in result.stdout.str()
    page = Path(project.path / "reports/morning.html").read_text()
    assert told in page
    assert "tokentoken" not in page + result.stdout.str() + result.stderr.str()


def test_a_run_of_checks_is_sent(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({"POST /x": (200, {})}) as canned:
        monkeypatch.setenv("TEST_NOTIFY_URLS", f"json://{canned.url.removeprefix('http://')}/x")
        project.pipeline(tables=NOTIFY)
        project.checks(SERVICES_DOWN)
        result = project.run("-m", "morning")

    assert "was not delivered" not in result.stdout.str()
    [body] = canned.bodies
    assert body["title"].startswith("NOT GREEN: morning of example (live)")
    assert "FAILED  morning.1-services  Every expected service is up." in body["message"]
