"""What compose files say of their services, in the words of `clients.container_settings.Settings.as_dict`. Pure.

`clients.compose_config` has them from Compose, so that nothing is merged or filled in here. Only what they say: a setting that is
not in the files is not in the answer, but for limits and networks, whose absence means something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cdcproof.clients.containers.compose_config import Rendered
from cdcproof.clients.containers.settings import port

_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Said:
    """The settings of one service. `container` is the name that the files give it, `unread` settings that are not compared."""

    settings: Mapping[str, str]
    container: str = ""
    unread: tuple[str, ...] = ()


def said(rendered: Rendered) -> dict[str, Said]:
    """Service to what the files say of it."""
    return {name: _said(service, rendered) for name, service in rendered.services.items()}


def _said(service: Mapping[str, Any], rendered: Rendered) -> Said:
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    found: dict[str, str | None] = {
        "networks": _networks(service, rendered),
        "ports": _ports(service.get("ports") or ()),
        "memory": _memory(limits.get("memory") or service.get("mem_limit")),
        "cpus": _cpus(limits.get("cpus") or service.get("cpus")),
    }
    settings = {name: value for name, value in found.items() if value is not None}
    if service.get("image"):
        settings["image"] = _literal(service["image"])
    for name, value in _environment(service.get("environment")):
        if value is not None:  # else it is that of the shell, and there it is not set
            settings[f"environment/{name}"] = _literal(value)
    return Said(
        settings, str(service.get("container_name") or ""), tuple(name for name in found if found[name] is None)
    )


def _literal(value: Any) -> str:
    """A value without the doubled dollars by which Compose keeps one from being filled in again."""
    return (str(value).lower() if isinstance(value, bool) else str(value)).replace("$$", "$")


def _environment(environment: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(environment, Mapping):
        return list(environment.items())
    pairs = (str(entry).partition("=") for entry in environment or ())
    return [(name, value if equals else None) for name, equals, value in pairs]


def _networks(service: Mapping[str, Any], rendered: Rendered) -> str:
    if service.get("network_mode"):
        return str(service["network_mode"])
    keys = service.get("networks") or ("default",)
    names = (str(rendered.networks.get(key, {}).get("name") or key) for key in keys)
    prefix = f"{rendered.project}_" if rendered.project else ""
    return ", ".join(sorted(name.removeprefix(prefix) for name in names))


def _ports(ports: Iterable[Any]) -> str | None:
    """Every port that is published; None where one is chosen from a range."""
    found: list[str] = []
    for entry in ports:
        if isinstance(entry, Mapping):
            host, outside, inside = entry.get("host_ip"), entry.get("published"), entry.get("target")
            protocol = str(entry.get("protocol") or "tcp")
        else:
            outer, _, inside = str(entry).rpartition(":")
            host, _, outside = outer.rpartition(":")
            inside, _, protocol = inside.partition("/")
        if not outside:
            continue  # the engine chooses one
        pairs = _pairs(str(outside), str(inside))
        if pairs is None:
            return None
        found += [port(f"{i}/{protocol or 'tcp'}", str(host or "").strip("[]"), str(o)) for o, i in pairs]
    return ", ".join(sorted(found))


def _pairs(outside: str, inside: str) -> list[tuple[int, int]] | None:
    """Port by port, of two ranges of one length."""
    ranges = []
    for text in (outside, inside):
        bounds = _RANGE.fullmatch(text)
        if bounds is None:
            return None
        ranges.append(range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1))
    return list(zip(*ranges, strict=True)) if len(ranges[0]) == len(ranges[1]) else None


def _memory(amount: Any) -> str | None:
    if not amount:
        return "no limit"
    match = _AMOUNT.fullmatch(str(amount).strip())
    return str(round(float(match[1]) * _UNITS[match[2].lower()])) if match else None


def _cpus(number: Any) -> str | None:
    try:
        found = float(number or 0)
    except (TypeError, ValueError):
        return None
    return f"{found:g}" if found else "no limit"
