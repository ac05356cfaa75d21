from __future__ import annotations

import pytest

from cdcproof.clients.schema_registry import Registry
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.pipeline.model import HttpService
from tests.canned import serving


def test_an_address_with_a_path_is_used_as_it_is() -> None:
    answers = {
        "GET /apis/ccompat/v7/subjects": (200, ["b-value", "a-value"]),
        "GET /apis/ccompat/v7/mode": (200, {"mode": "READWRITE"}),
        "GET /apis/ccompat/v7/config": (200, {"compatibilityLevel": "BACKWARD"}),
    }
    with serving(answers) as server:
        registry = Registry(HttpService(url=f"{server.url}/apis/ccompat/v7/"))
        assert registry.subjects() == ("a-value", "b-value")
        assert registry.mode() == "READWRITE"
        assert registry.compatibility() == "BACKWARD"


def test_another_service_at_the_address_is_unexpected() -> None:
    with serving({"GET /subjects": (200, {}), "GET /mode": (200, []), "GET /config": (200, {})}) as server:
        registry = Registry(HttpService(url=server.url))
        for question in (registry.subjects, registry.mode, registry.compatibility):
            with pytest.raises(UnexpectedAnswerError, match="as a schema registry does"):
                question()
