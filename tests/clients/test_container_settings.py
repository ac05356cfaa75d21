from cdcproof.clients.containers.engine import read_container
from cdcproof.clients.containers.settings import Settings, read_settings
from tests.engine import container


def test_settings_are_read_as_a_compose_file_has_them():
    answer = container("kafka-connect")
    answer["Image"] = "sha256:abc"
    answer["Config"] |= {"Image": "debezium/connect:3.4", "Env": ["A=1", "B=x=y", "EMPTY="]}
    answer["Config"]["Labels"]["com.docker.compose.project"] = "cdc"
    answer["HostConfig"] |= {"Memory": 536870912, "NanoCpus": 1500000000}
    answer["NetworkSettings"]["Networks"] = {"cdc_default": {}, "shared": {}}

    found = read_container(answer).settings

    assert found == Settings(
        "debezium/connect:3.4",
        "sha256:abc",
        {"A": "1", "B": "x=y", "EMPTY": ""},
        ("default", "shared"),
        ("1433 at 127.0.0.1:21433",),
        536870912,
        1.5,
    )
    assert found.as_dict() == {
        "image": "debezium/connect:3.4",
        "image id": "sha256:abc",
        "networks": "default, shared",
        "ports": "1433 at 127.0.0.1:21433",
        "memory": "536870912",
        "cpus": "1.5",
        "environment/A": "1",
        "environment/B": "x=y",
        "environment/EMPTY": "",
    }


def test_what_the_engine_does_not_tell_is_not_set():
    assert read_settings({}).as_dict() == {
        "image": "",
        "image id": "",
        "networks": "",
        "ports": "",
        "memory": "no limit",
        "cpus": "no limit",
    }


def test_a_port_without_an_address_is_published_everywhere():
    bindings = {"HostConfig": {"PortBindings": {"53/udp": [{"HostIp": "", "HostPort": "5353"}], "1/tcp": None}}}

    assert read_settings(bindings).ports == ("53/udp at 0.0.0.0:5353",)


def test_an_environment_is_not_in_the_representation():
    assert "s3cret" not in repr(Settings(environment={"PASSWORD": "s3cret"}))
