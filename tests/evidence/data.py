"""Strategies for frozen data, by what its fields are declared to hold."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import BaseModel

from cdcproof.pipeline.model import Pipeline, load

PIPELINE = load(Path(__file__).parents[2] / "fixtures/pipelines/warehouse.toml")
_TEXT = st.text("aZ09 .-/é\"'\\<\n\0\ud800!", max_size=4)
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
    object: _TEXT | st.integers(),
    Any: _TEXT | st.integers(),
    Path: st.sampled_from([Path("/a b/c"), Path("d")]),
    bytes: st.binary(max_size=3),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    timedelta: st.timedeltas(),
}


@cache
def of(declared: Any) -> st.SearchStrategy[Any]:
    """Values that a field declared so may hold."""
    if declared in _LEAVES:
        return _LEAVES[declared]
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    return _collections(origin, inner) if origin else _data(declared)


def _collections(origin: Any, inner: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in (dict, Mapping):
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=2)
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(*map(of, inner))
    kinds: dict[Any, list[type]] = {frozenset: [frozenset], Collection: [tuple, frozenset, set]}
    some = st.lists(of(inner[0]), max_size=2)
    return st.one_of(*(some.map(make) for make in kinds.get(origin, [tuple])))


def _data(declared: Any) -> st.SearchStrategy[Any]:
    if issubclass(declared, Enum):
        return st.sampled_from(declared)
    if issubclass(declared, BaseModel):
        return st.sampled_from(_models(declared))
    hints = get_type_hints(declared)
    wanted = {one.name: hints[one.name] for one in fields(declared) if one.init}
    alone = {name: st.just(()) for name, hint in wanted.items() if hint == tuple[declared, ...]}
    drawn = {name: of(hint) for name, hint in wanted.items() if name not in alone}
    one = st.builds(declared, **drawn, **alone)
    return st.builds(declared, **drawn, **{name: st.lists(one, max_size=2).map(tuple) for name in alone})


def _models(wanted: type[BaseModel]) -> list[BaseModel]:
    """Those of a pipeline file: their validators would refuse most that is drawn."""
    found: list[BaseModel] = []
    left: list[Any] = [PIPELINE]
    while left:
        one = left.pop()
        if isinstance(one, wanted):
            found.append(one)
        left.extend(vars(one).values() if isinstance(one, BaseModel) else one if isinstance(one, tuple) else ())
    assert found or issubclass(wanted, Pipeline), wanted
    return found
