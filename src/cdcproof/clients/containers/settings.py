"""How a container is set up, read from the engine's answer to "inspect" (Docker Engine API, "ContainerInspect")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_PROJECT_LABEL = "com.docker.compose.project"
_NANO = 1_000_000_000


@dataclass(frozen=True)
class Settings:
    """What a compose file can say of a container; `environment` holds that of its image too, and may hold secrets."""

    image: str = ""
    image_id: str = ""
    """The digest of what the image's name meant when the container was made."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    networks: tuple[str, ...] = ()
    """By the names that the compose file has for them."""
    ports: tuple[str, ...] = ()
    """``8083 at 127.0.0.1:18083``, sorted."""
    memory_bytes: int = 0
    """The limit; 0 where there is none."""
    cpus: float = 0.0

    def as_dict(self) -> dict[str, str]:
        """Each setting under the name that differences have for it; the environment in clear."""
        return {
            "image": self.image,
            "image id": self.image_id,
            "networks": ", ".join(self.networks),
            "ports": ", ".join(self.ports),
            "memory": str(self.memory_bytes or "no limit"),
            "cpus": f"{self.cpus:g}" if self.cpus else "no limit",
            **{f"environment/{name}": value for name, value in self.environment.items()},
        }


def read_settings(answer: Mapping[str, Any]) -> Settings:
    """Read the engine's answer; what it leaves out counts as not set."""
    config, host = answer.get("Config") or {}, answer.get("HostConfig") or {}
    project = (config.get("Labels") or {}).get(_PROJECT_LABEL, "")
    networks = (answer.get("NetworkSettings") or {}).get("Networks") or {}
    return Settings(
        image=str(config.get("Image") or ""),
        image_id=str(answer.get("Image") or ""),
        environment=dict(entry.partition("=")[::2] for entry in config.get("Env") or ()),
        networks=tuple(sorted(name.removeprefix(f"{project}_") if project else name for name in networks)),
        ports=tuple(sorted(_ports(host.get("PortBindings") or {}))),
        memory_bytes=int(host.get("Memory") or 0),
        cpus=int(host.get("NanoCpus") or 0) / _NANO,
    )


def port(inside: str, host: str, outside: str) -> str:
    """A published port in the form of `Settings.ports`."""
    return f"{inside.removesuffix('/tcp')} at {host or '0.0.0.0'}:{outside}"  # noqa: S104  what no address means


def _ports(bindings: Mapping[str, Any]) -> list[str]:
    return [
        port(inside, b.get("HostIp", ""), b.get("HostPort", "")) for inside, bs in bindings.items() for b in bs or ()
    ]
