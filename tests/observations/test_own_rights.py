"""What the checks' own account may not see."""

from __future__ import annotations

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Observation, require
from cdcproof.observations.databases.own_rights import OwnRights

ALL = {"checks": "may see all that the checks need"}


def test_an_account_that_sees_all_is_right() -> None:
    rights = OwnRights("checks", {}, "psql -c ''")

    assert rights.observation() == Observation(ALL, ALL, no_concern="may see all that its role does")
    assert rights.concern_action() == ()
    assert rights.rows() == [{"missing": "nothing", "grant": None}]


def test_what_is_missing_is_not_checked_and_the_command_grants_it() -> None:
    rights = OwnRights("checks", {"dbo.a": "GRANT 1", "dbo.b": "GRANT 2"}, "sqlcmd …", {"pg_monitor": "GRANT 3"})

    with pytest.raises(CouldNotLookError) as raised:
        require(rights.observation())
    assert raised.value.message == "checks may not see: dbo.a, dbo.b."
    assert raised.value.remedy == "sqlcmd …"
    assert rights.rows() == [
        {"missing": "dbo.a", "grant": "GRANT 1"},
        {"missing": "dbo.b", "grant": "GRANT 2"},
        {"missing": "pg_monitor", "grant": "GRANT 3"},
    ]


def test_what_only_the_exporter_would_show_is_a_concern() -> None:
    rights = OwnRights("checks", {}, "", {"pg_monitor": "GRANT 3", "REPLICATION": "ALTER ROLE"}, "psql -c …")

    assert rights.observation() == Observation(
        ALL,
        ALL,
        concerns={"checks": "may not see pg_monitor, REPLICATION"},
        no_concern="may see all that its role does",
    )
    assert rights.concern_action() == ("psql -c …",)
