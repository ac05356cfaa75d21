"""Commands for administrators."""

from __future__ import annotations

import shlex

import pytest

from cdcproof.databases.administration import administer, sqlcmd
from cdcproof.pipeline import model as pipeline


@pytest.mark.parametrize(
    ("changes", "first"),
    [({}, "-S"), ({"trust_server_certificate": True}, "-C"), ({"encrypt": False}, "-C")],
)
def test_sqlcmd_18_is_told_to_take_the_certificate_that_the_pipeline_takes(
    changes: dict[str, bool], first: str
) -> None:
    place = {"type": "sqlserver", "host": "h", "port": 1433, "database": "my shop", "user": "u", "password_env": "P"}
    database = pipeline.Database.model_validate({**place, "schema": "dbo", **changes})
    words = shlex.split(sqlcmd(database, "SELECT 'x'", user="o'neill"))
    assert words[:2] == ["sqlcmd", first]
    assert words[-8:] == ["-S", "h,1433", "-d", "my shop", "-U", "o'neill", "-Q", "SELECT 'x'"]
    assert shlex.split(administer(database, "SELECT 1", name="msdb"), comments=True)[-4:] == [
        "-d",
        "msdb",
        "-Q",
        "SELECT 1",
    ]
