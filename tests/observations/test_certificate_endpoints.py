"""Which servers of a pipeline file may have certificates, and which files."""

from __future__ import annotations

from cdcproof.observations.certificates.endpoints import Endpoint, brokers, endpoints, has_certificates
from tests.pipelines import pipeline_of

PLAIN = {"host": "h", "port": 1, "user": "u", "schema": "s", "database": "d", "encrypt": False}
SOURCE = {"type": "postgresql", "password_env": "SOURCE_PW", **PLAIN}
TARGET = {"type": "postgresql", "password_env": "TARGET_PW", **PLAIN}


def test_every_address_with_https_is_asked_by_its_key() -> None:
    keys = ("connect", "registry", "prometheus", "alertmanager", "pushgateway")
    pipeline = pipeline_of(
        "a",
        source=SOURCE,
        target=TARGET,
        **{key: {"url": f"https://{key}:8443"} for key in keys},
        exporters={"reconciliation_url": "https://exporter:9103/metrics", "connect_url": "https://exporter/metrics"},
        backup={"s3_endpoint": "https://s3"},
        services=[
            {"name": "grafana", "role": "monitoring", "endpoint": "https://grafana:3000"},
            {"name": "kafka", "role": "kafka", "endpoint": "tcp://kafka:9092"},
        ],
    )
    assert {one.key: (one.host, one.port) for one in endpoints(pipeline)} == {
        **{key: (key, 8443) for key in keys},
        "exporters.reconciliation_url": ("exporter", 9103),
        "exporters.connect_url": ("exporter", 443),
        "backup.s3_endpoint": ("s3", 443),
        "service grafana": ("grafana", 3000),
    }
    assert has_certificates(pipeline)


def test_each_broker_with_tls_is_asked() -> None:
    servers = "a:9093, [::1]:9094,b,:9095"
    kafka = {"bootstrap_servers": servers, "security_protocol": "SSL"}
    assert list(brokers(pipeline_of("a", kafka=kafka))) == [
        Endpoint("kafka", "a", 9093),
        Endpoint("kafka", "::1", 9094),
    ]
    assert list(brokers(pipeline_of("a", kafka={"bootstrap_servers": servers}))) == []
    assert has_certificates(pipeline_of("a", source=SOURCE, target=TARGET, kafka=kafka))
    assert not has_certificates(pipeline_of("a", source=SOURCE, target=TARGET))
