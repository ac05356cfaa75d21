"""Alertmanager beside the pipeline: routes, groups and mutes as in production, and sends to one address or to nobody.

Debian's build opens its templates below /usr/share, which no flag changes. Where the package is only unpacked, that folder is laid
over /usr/share in a namespace of the process' own, which needs no root where the system lets users make namespaces.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cdcproof.environments.embedded import folders
from cdcproof.environments.embedded.services import programs
from cdcproof.environments.embedded.services.service import Service
from cdcproof.environments.embedded.state import Instance

NAME = "alertmanager"
ALERTS_URL = "CDCPROOF_ALERTS_URL"
"""Variable with the address that gets what PagerDuty, Slack and the heartbeat service would get; without it nothing is sent."""

_SECRETS = "/etc/alertmanager/secrets/"
_TEMPLATE = Path("prometheus/alertmanager/default.tmpl")
_SHARE = Path("/usr/share")
_NAMESPACES = (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"])
_TRY_SECONDS = 5.0


def command(instance: Instance) -> list[str]:
    """Write its configuration and return how it is started."""
    written = _config(instance, os.environ.get(ALERTS_URL, ""))
    config = programs.write_json(instance.folders.settings / "alertmanager.yml", written)
    path = programs.program(NAME)
    return [
        *(_with_its_templates(path) or ()),
        path,
        f"--config.file={config}",
        f"--storage.path={instance.folders.data / 'alertmanager'}",
        f"--web.listen-address={instance.address(NAME)}",
        f"--web.external-url={instance.url(NAME)}",
        "--cluster.listen-address=",
    ]


def hindrance() -> str:
    """Why the program that was found cannot run here; empty when it can."""
    path = programs.find(NAME)
    if path is None or _with_its_templates(path) is not None:
        return ""
    unpacked = _unpacked_share(path)
    if not (unpacked / _TEMPLATE).exists():
        return (
            f"Debian's Alertmanager needs {_SHARE / _TEMPLATE}, and it is not beside {path} either: install the package"
        )
    return (
        f"Debian's Alertmanager needs {_SHARE / _TEMPLATE}, and this system lets nobody make namespaces; as root: "
        f"cp -r {shlex.quote(str(unpacked / 'prometheus'))} {_SHARE}/"
    )


def _with_its_templates(path: str) -> list[str] | None:
    """What stands before the program, so that it finds its templates; None where it would not."""
    if not Path(path).name.startswith("prometheus-") or (_SHARE / _TEMPLATE).exists():
        return []
    unpacked = _unpacked_share(path)
    if not (unpacked / _TEMPLATE).exists() or ":" in str(unpacked) or "," in str(unpacked):
        return None
    laid = f"lowerdir={unpacked}:{_SHARE}"
    script = f'mount -t overlay overlay -o {shlex.quote(laid)} {_SHARE} && exec "$@"'
    prefixes = ((*way, "sh", "-c", script, "-") for way in _NAMESPACES)
    return next((list(prefix) for prefix in prefixes if _works(prefix)), None)


@cache
def _works(prefix: tuple[str, ...]) -> bool:
    """Whether a program can be started so. Asked once by a process: every look at the services wants to know."""
    try:
        tried = subprocess.run([*prefix, "true"], check=False, capture_output=True, timeout=_TRY_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _unpacked_share(path: str) -> Path:
    """The share folder of the tree that holds the program: TREE/usr/share of TREE/usr/bin/program."""
    return Path(path).resolve().parents[1] / "share"


def _config(instance: Instance, alerts_url: str) -> dict[str, Any]:
    """The production's configuration, with every address and secret replaced."""
    source = folders.monitoring() / "alertmanager"
    config: dict[str, Any] = yaml.safe_load((source / "alertmanager.yml").read_text(encoding="utf-8"))
    config["templates"] = [str(source / pattern) for pattern in config["templates"]]
    if not alerts_url:
        del config["global"]["slack_api_url_file"]
        return {**config, "receivers": [{"name": receiver["name"]} for receiver in config["receivers"]]}
    url = alerts_url.rstrip("/")
    config["global"] |= {
        "pagerduty_url": f"{url}/v2/enqueue",
        "slack_api_url_file": _secret(instance, "slack-url", f"{url}/slack"),
    }
    for receiver in config["receivers"]:
        for pager in receiver.get("pagerduty_configs", ()):
            name = pager["routing_key_file"].removeprefix(_SECRETS)
            pager["routing_key_file"] = _secret(instance, name, name)
        for heartbeat in receiver.get("webhook_configs", ()):
            del heartbeat["url_file"]  # Debian's 0.25 knows no such key
            heartbeat["url"] = f"{url}/heartbeat"
    return config


def _secret(instance: Instance, name: str, text: str) -> str:
    path = instance.folders.settings / f"alertmanager-{name}"
    folders.write_private(path, text)
    return str(path)


ALERTMANAGER: Service = programs.service(NAME, port=9093, command=command, hindrance=hindrance)
