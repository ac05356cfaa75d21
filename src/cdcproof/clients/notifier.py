"""The client for chats and mail, through Apprise: an optional package that knows the ways of each service."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import REDACTED, Secret, scrub

INSTALL = "pip install 'cdcproof[notify]'"
_LOGGER = "apprise"
_SHORTEST_PART = 4
_CAUSE = "Socket Exception"
_UNVERIFIED = re.compile(r"certificate verify failed: ([^,(']+[a-z])", re.IGNORECASE)


def deliver(url: Secret, title: str, body: str) -> str:
    """Send a message to one address; why it was not delivered, without a part of the address, else empty.

    Raises `CouldNotLookError` where Apprise is not installed.
    """
    apprise = _apprise()
    with _words() as words:
        sender = apprise.Apprise()
        if not sender.add(url.reveal()):
            return f"The address of {kind_of(url)} cannot be used: {_reason(words, url) or 'Apprise does not know it'}"
        [service] = sender
        name = str(service.service_name)
        try:
            # not by `sender.notify`, whose threads would keep the program from ending while a receiver hangs
            service.notify_format = apprise.NotifyFormat.TEXT
            delivered = bool(service.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
        except Exception as error:  # noqa: BLE001  a service's plug-in may raise whatever its libraries do
            return f"{name} did not take the message: {type(error).__name__}"
        return "" if delivered else f"{name} did not take the message: {_reason(words, url) or 'no reason was given'}"


def problem(url: Secret) -> str:
    """Why an address cannot be used, else empty; nothing is sent. Raises as `deliver`."""
    apprise = _apprise()
    with _words() as words:
        usable = apprise.Apprise().add(url.reveal())
        return "" if usable else _reason(words, url) or "Apprise does not know it"


def kind_of(url: Secret) -> str:
    """What stands before ``://``: the only part of an address that may be shown."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://", url.reveal())
    return f"{found[1].lower()}://…" if found else "no kind"


def _reason(words: list[str], url: Secret) -> str:
    """Apprise's last words, without anything that stands in the address. Of a certificate it says nothing but in its debug log."""
    unverified = next((found[1] for word in words if (found := _UNVERIFIED.search(word))), "")
    if unverified:
        return f"its certificate cannot be verified: {unverified} (REQUESTS_CA_BUNDLE names the file of its authority)"
    said = [word for word in words if not word.startswith(_CAUSE)]
    text = said[-1] if said else ""
    whole = url.reveal()
    parts = {part for form in (whole, unquote(whole)) for part in re.split(r"[/?&=:@#,;\s]+", form.partition("://")[2])}
    for part in sorted({whole, *parts}, key=len, reverse=True):
        if len(part) >= _SHORTEST_PART:
            text = text.replace(part, REDACTED)
    return " ".join(scrub(text).split())


@contextmanager
def _words() -> Iterator[list[str]]:
    """What Apprise logs in this thread within it; nothing of that goes anywhere else."""
    thread, found = threading.get_ident(), list[str]()

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and (
                record.levelno >= logging.WARNING or record.getMessage().startswith(_CAUSE)
            ):
                found.append(record.getMessage())

    logger, handler = logging.getLogger(_LOGGER), Kept()
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _apprise() -> Any:
    try:
        import apprise  # noqa: PLC0415  optional
    except ImportError:
        raise CouldNotLookError("The package apprise is not installed, so no message can be sent.", INSTALL) from None
    return apprise
