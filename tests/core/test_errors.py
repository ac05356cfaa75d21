from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cdcproof.core import errors


def _all(kind: type[errors.CdcproofError]) -> list[type[errors.CdcproofError]]:
    return [kind, *(sub for child in kind.__subclasses__() for sub in _all(child))]


@pytest.mark.parametrize("kind", _all(errors.CdcproofError))
def test_every_error_survives_pickling_with_its_remedy(kind: type[errors.CdcproofError]) -> None:
    error = kind("It is broken.", "repair it")

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert (again.message, again.remedy, str(again)) == (error.message, "repair it", "It is broken.\nrepair it")


def test_a_config_error_names_the_place_once_however_often_it_is_pickled() -> None:
    error = errors.ConfigError("tables: wrong", "x", Path("p.toml"), 7)

    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error))))

    assert again.message == "p.toml:7: tables: wrong"
    assert (again.path, again.line) == (Path("p.toml"), 7)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(errors.OperationError, 1), (errors.UsageError, 2), (errors.ConfigError, 2), (errors.UnreachableError, 3)],
)
def test_exit_status(kind: type[errors.CdcproofError], status: int) -> None:
    assert kind("x").exit_status == status
