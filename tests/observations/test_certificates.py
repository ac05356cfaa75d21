"""Certificates of a pipeline, on real TLS servers of a private authority: red days before one ends, and green when it was renewed."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import UnreachableError
from cdcproof.findings import Verdict
from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.observations.certificates import reading
from cdcproof.observations.certificates.certificates import Certificate as Shown
from cdcproof.observations.certificates.certificates import Certificates
from cdcproof.observations.certificates.endpoints import endpoints
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.record import StepRecord
from checks.weekly import test_4_certificates as checks
from tests.certificates import Authority, Certificate
from tests.check_in_process import judged
from tests.pipelines import pipeline_of
from tests.tls_proxy import encrypting

NOWHERE = ("127.0.0.1", 9)
DAY = 86_400.0
YEAR = timedelta(days=365)


@contextmanager
def postgresql_without_tls() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(8)
                    client.sendall(b"N")

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class Brokers:
    """What the cluster says of its brokers."""

    others: dict[int, tuple[str, int]] | None = None

    def __init__(self, kafka: object) -> None:
        pass

    def addresses(self) -> dict[int, tuple[str, int]]:
        if self.others is None:
            raise UnreachableError("Kafka does not answer")
        return self.others


@pytest.fixture(autouse=True)
def brokers(monkeypatch: pytest.MonkeyPatch) -> type[Brokers]:
    monkeypatch.setattr(reading, "Kafka", Brokers)
    monkeypatch.setattr(Brokers, "others", None)
    return Brokers


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "private", YEAR)


def database(port: int, **more: Any) -> dict[str, Any]:
    return {"type": "postgresql", "host": "127.0.0.1", "port": port, "database": "d", "user": "u", "schema": "s",
            "password_env": "PW", **more}  # fmt: skip


@contextmanager
def running(authority: Authority, **shown: Certificate) -> Iterator[Pipeline]:
    """A source without TLS; a target, a broker and Connect that show these certificates, else one that lasts a year."""
    lasting = authority.issue("lasting", "127.0.0.1", valid=YEAR)
    ours = authority.issue("ours", valid=YEAR)
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(encrypting(NOWHERE, shown.get(name, lasting), postgresql=name == "target"))
            for name in ("target", "kafka", "connect")
        }
        plain = stack.enter_context(postgresql_without_tls())
        yield pipeline_of(
            "orders",
            source=database(plain),
            target=database(ports["target"], ca_file=str(authority.file)),
            connect={"url": f"https://127.0.0.1:{ports['connect']}", "ca_file": str(authority.file)},
            kafka={
                "bootstrap_servers": f"127.0.0.1:{ports['kafka']}",
                "security_protocol": "SSL",
                "certificate_file": str(ours.certificate),
                "key_file": str(ours.key),
            },
        )


def look(pipeline: Pipeline) -> StepRecord:
    found = reading.look(pipeline, time.time())
    return judged(checks.test_no_certificate_ends_soon, pipeline, certificates=found)


def bash(command: str) -> str:
    """Paste it."""
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True).stdout


def wrong(record: StepRecord) -> dict[str, str]:
    return {difference.subject: difference.found for difference in record.differences}


@pytest.mark.parametrize("server", ["target", "kafka", "connect"])
@pytest.mark.parametrize(
    ("left", "verdict", "words"),
    [
        (timedelta(days=-3), Verdict.FAILED, "expired 3.0 days ago"),
        (timedelta(days=6.5), Verdict.FAILED, "6.5 days left"),
        (timedelta(days=20.5), Verdict.WARNED, "20.5 days left, until "),
    ],
)
def test_a_server_whose_certificate_ends_soon_is_red_until_it_was_renewed(
    authority: Authority, server: str, left: timedelta, verdict: Verdict, words: str
) -> None:
    with running(authority, **{server: authority.issue("ending", "127.0.0.1", valid=left)}) as pipeline:
        red = look(pipeline)
    with running(authority) as pipeline:
        green = look(pipeline)

    assert red.verdict is verdict
    [(subject, found)] = wrong(red).items()
    assert subject.startswith(f"{server} at 127.0.0.1:")
    assert found.startswith(words)
    assert red.action[0].startswith("openssl s_client -connect 127.0.0.1:")
    assert ("-starttls postgres" in red.action[0]) is (server == "target")
    assert green.verdict is Verdict.PASSED, green


def chained(certificate: Certificate, *authorities: Authority) -> Certificate:
    """A server sends all that its file holds."""
    text = "".join(file.read_text() for file in (certificate.certificate, *(one.file for one in authorities)))
    certificate.certificate.write_text(text)
    return certificate


@pytest.mark.parametrize("server", ["target", "kafka", "connect"])
def test_an_intermediate_that_ends_before_the_server_s_own_is_red_until_it_was_replaced(
    authority: Authority, server: str, tmp_path: Path
) -> None:
    between = Authority(tmp_path, "between", timedelta(days=3, minutes=5), of=authority)
    ending = chained(between.issue("server", "127.0.0.1", valid=YEAR), between, authority)
    with running(authority, **{server: ending}) as pipeline:
        red = look(pipeline)
        printed = bash(red.action[0])
    renewed = Authority(tmp_path, "renewed", YEAR, of=authority)
    lasting = chained(renewed.issue("server", "127.0.0.1", valid=YEAR), renewed, authority)
    with running(authority, **{server: lasting}) as pipeline:
        green = look(pipeline)

    assert red.verdict is Verdict.FAILED
    [(subject, found)] = wrong(red).items()
    assert subject.startswith(f"{server} at 127.0.0.1:")
    assert subject.endswith(", sent along: between")
    assert found == "3.0 days left"
    assert "Subject: CN = between" in printed or "Subject: CN=between" in printed
    assert printed.count("Not After") == 3
    assert green.verdict is Verdict.PASSED, green


def test_a_root_that_is_sent_along_and_has_ended_is_red_unless_clients_have_a_newer_one_of_its_key(
    tmp_path: Path,
) -> None:
    root = Authority(tmp_path, "root", timedelta(days=-2))
    sent = chained(root.issue("server", "127.0.0.1", valid=YEAR), root)
    with running(root, connect=sent) as pipeline:
        ended = look(pipeline)
        root.renew(YEAR)
        renewed = look(pipeline)

    assert [one for one in wrong(ended) if "sent along" in one] == [
        next(one for one in wrong(ended) if one.startswith("connect at ")),
    ]
    assert renewed.verdict is Verdict.PASSED, renewed


def test_the_command_that_is_offered_shows_whose_it_is(authority: Authority) -> None:
    ending = authority.issue("ending", "127.0.0.1", valid=timedelta(days=3))
    with running(authority, connect=ending) as pipeline:
        action = look(pipeline).action
        printed = bash(action[0])

    assert "CN = ending" in printed
    assert "CN = private" in printed
    assert "notAfter=" in printed


def test_our_own_certificate_is_renewed_by_the_request_that_is_offered(authority: Authority, tmp_path: Path) -> None:
    """And nothing else is red, though the server takes no such client."""
    with running(authority) as pipeline:
        file = pipeline.kafka.certificate_file
        assert file is not None
        good = file.read_bytes()
        ended = authority.issue("ours", valid=timedelta(days=-2))
        red = look(pipeline)
        offered = next(line for line in red.action if "-x509toreq" in line).partition(": ")[2]
        ended.certificate.write_bytes(authority.sign(bash(offered).encode()))
        green = look(pipeline)

    assert good != file.read_bytes()
    assert red.verdict is Verdict.FAILED
    assert wrong(red) == {f"kafka.certificate_file {file}": "expired 2.0 days ago"}
    assert green.verdict is Verdict.PASSED, green


def test_who_does_not_answer_is_not_checked_and_what_is_wrong_is_red_all_the_same(authority: Authority) -> None:
    with running(authority) as pipeline:
        pass  # its servers are gone
    lost = look(pipeline)
    with running(authority, connect=authority.issue("ending", "127.0.0.1", valid=timedelta(days=3))) as other:
        half = look(other.model_copy(update={"target": pipeline.target}))

    assert lost.verdict is Verdict.NOT_CHECKED
    assert "source at 127.0.0.1:" in lost.reason
    assert half.verdict is Verdict.FAILED
    assert [subject.partition(" ")[0] for subject in wrong(half)] == ["connect"]


def test_every_broker_of_the_cluster_is_looked_at(authority: Authority, brokers: type[Brokers]) -> None:
    with (
        running(authority) as pipeline,
        encrypting(NOWHERE, authority.issue("ending", "127.0.0.1", valid=timedelta(days=3))) as second,
    ):
        brokers.others = {2: ("127.0.0.1", second)}
        red = look(pipeline)

    assert list(wrong(red)) == [f"kafka at 127.0.0.1:{second}"]


def test_of_several_authorities_those_count_that_signed_something(authority: Authority, tmp_path: Path) -> None:
    """A bundle holds some that ended long ago, and nobody minds."""
    ended = Authority(tmp_path, "ended", timedelta(days=-400))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(ended.file.read_text() + authority.file.read_text())
    with running(authority) as pipeline:
        connect = pipeline.connect.model_copy(update={"ca_file": bundle})
        of_both = look(pipeline.model_copy(update={"connect": connect}))
    bundle.write_text(Authority(tmp_path, "private", timedelta(days=2)).file.read_text() + ended.file.read_text())
    with running(authority) as pipeline:
        ending = look(pipeline.model_copy(update={"connect": connect}))

    assert of_both.verdict is Verdict.PASSED, of_both
    assert wrong(ending)[f"connect.ca_file {bundle}"] == "2.0 days left"


@pytest.mark.parametrize("text", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_a_file_that_holds_none_is_not_checked(authority: Authority, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.pem"
    file.write_text(text)
    with running(authority) as pipeline:
        connect = pipeline.connect.model_copy(update={"ca_file": file})
        record = look(pipeline.model_copy(update={"connect": connect}))

    assert record.verdict is Verdict.NOT_CHECKED
    assert f"connect.ca_file {file}" in record.reason


def seen(left_days: float, begun_days: float = 100) -> Certificates:
    now = 1_000 * DAY
    return Certificates((Shown("a", now - begun_days * DAY, now + left_days * DAY),), now, 7, 30)


@pytest.mark.parametrize(
    ("left", "found", "soon"),
    [
        (30.001, "more than 7 days left", False),
        (30, "more than 7 days left", True),
        (7.001, "more than 7 days left", True),
        (7, "7.0 days left", False),
        (0.04, "0.0 days left", False),
        (0, "expired 0.0 days ago", False),
        (-12, "expired 12.0 days ago", False),
    ],
)
def test_the_limits(left: float, found: str, soon: bool) -> None:
    assert seen(left).found() == {"a": found}
    assert bool(seen(left).soon()) is soon


def test_one_that_begins_later_is_wrong() -> None:
    assert seen(400, -2).found() == {"a": "not valid before 1972-09-29 00:00 UTC"}


@pytest.mark.parametrize("hosts", ["127.0.0.1,/var/run/postgresql", "/var/run/postgresql", " 127.0.0.1 , 127.0.0.1"])
def test_several_hosts_of_a_database_are_looked_at_and_sockets_are_not(hosts: str) -> None:
    found = pipeline_of("a", source=database(1, encrypt=False), target=database(2, host=hosts))

    assert {one.host for one in endpoints(found)} <= {"127.0.0.1"}
    assert len(list(endpoints(found))) == hosts.count("127.0.0.1")


def test_a_broker_without_a_port_is_not_passed_over() -> None:
    kafka = {"bootstrap_servers": "kafka", "security_protocol": "SSL"}
    plain = {"encrypt": False}

    with pytest.raises(UnreachableError):
        reading.look(pipeline_of("a", source=database(1, **plain), target=database(2, **plain), kafka=kafka), 0)


def test_it_is_collected_where_there_may_be_a_certificate() -> None:
    holds = BY_STEP["weekly.4-certificates"].only_where.holds
    plain = {"encrypt": False}
    neither = pipeline_of("a", source=database(1, **plain), target=database(2, **plain))

    assert not holds(neither)
    assert not holds(pipeline_of("a", environment="embedded"))
    assert holds(pipeline_of("a", source=database(1, **plain)))
    assert holds(neither.model_copy(update={"connect": neither.connect.model_copy(update={"url": "https://connect"})}))
