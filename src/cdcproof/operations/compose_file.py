"""What a compose file says of its services, in the words of `clients.container_settings.Settings.as_dict`.

Only what it says: a setting that is not in the file is not in the answer, but for limits and networks, whose absence means
something. As `docker compose` does it: variables with defaults, `extends`, short and long forms of ports and environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cdcproof.clients.container_settings import port
from cdcproof.errors import ConfigError

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<rule>:?[-?+])(?P<word>[^}]*))?\})")
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def settings(path: Path) -> dict[str, dict[str, str]]:
    """Service to its settings. Raises `ConfigError` for a file that is not a compose file."""
    services = _read(path).get("services")
    if not isinstance(services, dict) or not services:
        raise ConfigError("services: a compose file lists at least one.", path=path)
    return {name: _settings(_extended(name, services, path), path) for name in services}


def _read(path: Path) -> dict[str, Any]:
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The compose file cannot be read: {error}", path=path) from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise ConfigError(
            f"Not valid YAML: {getattr(error, 'problem', error)}", path=path, line=None if line is None else line + 1
        ) from None
    if not isinstance(told, dict):
        raise ConfigError("This is not a compose file.", path=path)
    return told


def _extended(name: str, services: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The service with what it extends, which may extend another in turn."""
    own = services.get(name)
    if not isinstance(own, dict):
        raise ConfigError(f"services.{name}: must be a mapping.", path=path)
    base = own.get("extends")
    if not base:
        return own
    where = {"service": base} if isinstance(base, str) else base
    file = path.parent / where["file"] if "file" in where else path
    others = _read(file).get("services") or {}
    if where.get("service") not in others:
        raise ConfigError(f"services.{name}.extends: {file} has no service {where.get('service')}.", path=path)
    return _merged(_extended(where["service"], others, file), own)


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `base`: mappings are merged, published ports are added up."""
    found = dict(base)
    for key, value in own.items():
        below = base.get(key)
        if key == "environment":
            found[key] = {**_as_mapping(below), **_as_mapping(value)}
        elif isinstance(below, dict) and isinstance(value, dict):
            found[key] = _merged(below, value)
        elif key == "ports" and below:
            found[key] = [*below, *value]
        else:
            found[key] = value
    return found


def _settings(service: Mapping[str, Any], path: Path) -> dict[str, str]:
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    found: dict[str, str | None] = {
        "image": _filled(service.get("image")),
        "networks": _networks(service),
        "ports": _ports(service.get("ports") or ()),
        "memory": _memory(_filled(limits.get("memory", service.get("mem_limit", ""))), path),
        "cpus": _filled(limits.get("cpus", service.get("cpus", ""))) or "no limit",
        **{
            f"environment/{name}": os.environ.get(name) if value is None else _filled(value)
            for name, value in _as_mapping(service.get("environment")).items()
        },
    }
    return {name: value for name, value in found.items() if value is not None}


def _filled(value: Any) -> str | None:
    """The value with its variables; None where one is not set, so that nothing is known of it."""
    if value is None:
        return None
    unknown: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, rule, word = match["plain"] or match["name"], match["rule"] or "", match["word"] or ""
        value = os.environ.get(name)
        empty_counts = not rule.startswith(":")
        is_set = value is not None and (empty_counts or value != "")
        if rule.endswith("+"):
            return word if is_set else ""
        if is_set:
            return str(value)
        if rule.endswith("-"):
            return word
        unknown.append(name)
        return ""

    text = str(value).lower() if isinstance(value, bool) else str(value)
    filled = _VARIABLE.sub(fill, text)
    return None if unknown else filled


def _as_mapping(environment: Any) -> dict[str, Any]:
    if isinstance(environment, dict):
        return environment
    pairs = (str(entry).partition("=") for entry in environment or ())
    return {name: value if equals else None for name, equals, value in pairs}


def _networks(service: Mapping[str, Any]) -> str:
    if service.get("network_mode"):
        return str(service["network_mode"])
    return ", ".join(sorted(service.get("networks") or ("default",)))


def _ports(ports: Any) -> str | None:
    found = []
    for entry in ports:
        if isinstance(entry, dict):
            outside, host = _filled(entry.get("published", "")), _filled(entry.get("host_ip", ""))
            inside = f"{entry.get('target')}/{entry.get('protocol', 'tcp')}"
        else:
            text = _filled(entry)
            if text is None:
                return None
            outer, _, inside = text.rpartition(":")
            host, _, outside = outer.rpartition(":")
        if outside is None or host is None or "-" in outside:
            return None
        if outside:  # else the engine chooses one
            found.append(port(inside, host, outside))
    return ", ".join(sorted(found))


def _memory(text: str | None, path: Path) -> str | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmg]?)b?", text.lower())
    if text and not match:
        raise ConfigError(f"{text!r} is no amount of memory.", "Write it like 512m or 2g.", path)
    return str(round(float(match[1]) * _UNITS[match[2]])) if match else "no limit"
