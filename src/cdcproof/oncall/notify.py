"""Sending a run to the chats and mail that the pipeline file names. Nothing here changes a verdict."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial

from cdcproof.clients import notifier
from cdcproof.core.errors import CdcproofError
from cdcproof.core.secrets import Secret, learn
from cdcproof.core.waiting import side_by_side
from cdcproof.pipeline.notification import Notify
from cdcproof.reporting.formats.message import is_wanted, message
from cdcproof.reporting.record import Run

# blanks, or a comma before the next address
_BETWEEN = re.compile(r"\s+|,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")


def notify(rules: Notify | None, run: Run, changes: Sequence[str], page: str) -> list[str]:
    """Send the run where it is wanted; a sentence for each delivery that failed, and never an exception of ours."""
    if rules is None or not is_wanted(rules, run):
        return []
    urls = addresses(os.environ.get(rules.urls_env, ""))
    if not urls:
        return [f"No message was sent: the environment variable {rules.urls_env} is not set or holds no address."]
    sent = message(run, changes, page)
    jobs = {str(number): partial(notifier.deliver, url, sent.title, sent.body) for number, url in enumerate(urls, 1)}
    try:
        problems = side_by_side(jobs, rules.deadline_seconds)
    except CdcproofError as error:
        return [f"No message was sent: {' '.join(str(error).split())}"]
    late = f"it did not answer within {rules.deadline_seconds:g} s"
    return [
        f"Message {number} of {len(urls)} ({notifier.kind_of(url)}) was not delivered: {problems.get(str(number), late)}."
        for number, url in enumerate(urls, 1)
        if problems.get(str(number), late)
    ]


def addresses(value: str) -> list[Secret]:
    """The addresses in the value of an environment variable; each is a secret as a whole."""
    urls = [Secret(url) for url in _BETWEEN.split(value.strip()) if url]
    learn({"url": value})  # the password in one of them is one by itself too
    return urls
