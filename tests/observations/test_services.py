"""What the environment's list of services says."""

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import ServiceState
from cdcproof.findings import Finding, Observation, require
from cdcproof.observations.services import Services


class TestServices:
    def state(self, name, *, up=True, healthy=None):
        return ServiceState(name, "kafka", up, healthy, "detail")

    def test_an_unhealthy_service_is_not_up(self):
        services = Services((self.state("a"), self.state("b", healthy=False)), ("a (kafka)", "b (kafka)"))

        assert services.verdicts() == {"a (kafka)": "up", "b (kafka)": "up, unhealthy"}
        assert services.failing() == ("b",)

    def test_a_service_the_environment_did_not_list_is_a_difference(self):
        services = Services((self.state("a"),), ("a (kafka)", "b (kafka)"))

        with pytest.raises(Finding, match=r"b \(kafka\): expected up, found absent"):
            require(services.observation())

    def test_a_log_that_cannot_be_read_is_said_so(self):
        def refuse(name):
            raise CouldNotLookError(f"no log of {name}")

        services = Services((self.state("a", up=False), self.state("b")), ())

        assert services.with_logs(refuse).logs == {"a": "not readable: no log of a"}

    def test_every_service_must_be_up_and_not_have_restarted_too_often(self):
        seen = (
            ServiceState("broker", "kafka", up=True, healthy=True, detail="for a day", restarts_24h=4),
            ServiceState("worker", "connect", up=False, healthy=None, detail="exited (137)"),
            ServiceState("source", "source", up=True, healthy=None, detail="", restarts_24h=3),
        )
        services = Services(seen, ("broker (kafka)", "worker (connect)"))

        assert services.observation(3) == Observation(
            {"broker (kafka)": "up", "worker (connect)": "down", "source (source)": "up"},
            {"broker (kafka)": "up", "worker (connect)": "up"},
            {"broker (kafka)": "for a day", "worker (connect)": "exited (137)", "source (source)": ""},
            concerns={"broker (kafka)": "4 restarts in 24 h"},
            no_concern="at most 3 restarts in 24 h",
        )
        assert services.observation().concerns == {}
        assert list(services.observation(0).concerns) == ["broker (kafka)", "source (source)"], "unknown is none"
        assert services.names() == ("broker", "worker", "source")

    def test_the_report_has_a_row_for_each_service_and_the_log_of_each_that_fails(self):
        known = ServiceState("a", "kafka", True, False, "slow", uptime_seconds=317.0, restarts_24h=0)
        services = Services((known, self.state("b", up=False)), ()).with_logs(lambda name: f"the end of {name}")

        assert services.rows() == [
            {
                "service": "a",
                "role": "kafka",
                "state": "up, unhealthy",
                "up for": "00:05:17",
                "restarts 24 h": 0,
                "detail": "slow",
            },
            {
                "service": "b",
                "role": "kafka",
                "state": "down",
                "up for": None,
                "restarts 24 h": None,
                "detail": "detail",
            },
        ]
        assert services.log_pages() == {
            "Log of a, last 50 lines": "the end of a",
            "Log of b, last 50 lines": "the end of b",
        }
