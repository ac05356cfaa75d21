from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cdcproof.clients.containers.compose_config import Rendered
from cdcproof.clients.containers.compose_file import Said, said

NOTHING = {"networks": "default", "ports": "", "memory": "no limit", "cpus": "no limit"}
NAMED = {"front": {"name": "cdc-network"}, "default": {"name": "proj_default"}, "own": {"name": "proj_own"}}


def one(service: Mapping[str, Any], networks: Mapping[str, Any] = NAMED, project: str = "proj") -> Said:
    return said(Rendered({"one": service}, networks, project))["one"]


@pytest.mark.parametrize(
    ("service", "settings"),
    [
        ({}, {}),
        ({"image": "debezium/connect:3.4"}, {"image": "debezium/connect:3.4"}),
        # environment, as a mapping and as a list; a doubled dollar is one
        ({"environment": {"A": 1, "B": "x=y", "C": "p$$w", "D": None, "E": True, "F": ""}},
         {"environment/A": "1", "environment/B": "x=y", "environment/C": "p$w", "environment/E": "true", "environment/F": ""}),
        ({"environment": ["A=1", "B=x=y", "D"]}, {"environment/A": "1", "environment/B": "x=y"}),
        # networks by the names that the engine has for them
        ({"networks": {"front": None, "own": {"aliases": ["x"]}}}, {"networks": "cdc-network, own"}),
        ({"networks": ["front"]}, {"networks": "cdc-network"}),
        ({"networks": {"unnamed": None}}, {"networks": "unnamed"}),
        ({"network_mode": "host"}, {"networks": "host"}),
        # ports, as Compose 2 and as Compose 1 write them
        ({"ports": [{"mode": "ingress", "target": 8083, "published": "8083", "protocol": "tcp"}]}, {"ports": "8083 at 0.0.0.0:8083"}),
        ({"ports": [{"target": 53, "published": 53, "protocol": "udp", "host_ip": "127.0.0.1"}]}, {"ports": "53/udp at 127.0.0.1:53"}),
        ({"ports": ["127.0.0.1:8083:8083/tcp", "9092:9092", "53:53/udp", "9999"]},
         {"ports": "53/udp at 0.0.0.0:53, 8083 at 127.0.0.1:8083, 9092 at 0.0.0.0:9092"}),
        ({"ports": ["[::1]:8083:8083"]}, {"ports": "8083 at ::1:8083"}),
        ({"ports": ["9102-9103:9102-9103"]}, {"ports": "9102 at 0.0.0.0:9102, 9103 at 0.0.0.0:9103"}),
        ({"ports": [{"target": 9102, "published": ""}]}, {}),
        # limits are amounts, however they are written
        ({"deploy": {"resources": {"limits": {"cpus": "2.0", "memory": "4G"}}}}, {"memory": "4294967296", "cpus": "2"}),
        ({"deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "4294967296"}}}}, {"memory": "4294967296", "cpus": "0.5"}),
        ({"mem_limit": 536870912, "cpus": 1.50}, {"memory": "536870912", "cpus": "1.5"}),
        ({"mem_limit": "1.5g"}, {"memory": "1610612736"}),
        ({"mem_limit": "512MiB"}, {"memory": "536870912"}),
        ({"mem_limit": "512 mb"}, {"memory": "536870912"}),
        ({"mem_limit": "100kb"}, {"memory": "102400"}),
    ],
)  # fmt: skip
def test_a_service_in_the_words_of_the_containers_settings(service: dict[str, Any], settings: dict[str, str]) -> None:
    assert one(service) == Said({**NOTHING, **settings})


def test_the_name_of_the_container_is_kept() -> None:
    assert one({"container_name": "cdc-kafka"}).container == "cdc-kafka"


def test_a_network_of_another_projects_name_keeps_it_whole() -> None:
    assert one({"networks": ["own"]}, project="").settings["networks"] == "proj_own"


@pytest.mark.parametrize(
    ("service", "unread"),
    [
        ({"ports": [{"target": 80, "published": "8000-8010"}]}, ("ports",)),
        ({"ports": ["8000-8010:80"]}, ("ports",)),
        ({"mem_limit": "much"}, ("memory",)),
        ({"cpus": "some"}, ("cpus",)),
    ],
)
def test_what_has_no_one_value_is_not_compared(service: dict[str, Any], unread: tuple[str, ...]) -> None:
    found = one(service)
    assert found.unread == unread
    assert not set(unread) & set(found.settings)
