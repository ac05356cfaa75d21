"""What the environment's list of services says."""

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import ServiceState
from cdcproof.findings import Finding, require
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
