"""What a session that makes or restores backups does otherwise than one that only looks."""

from __future__ import annotations

from typing import Any


def run(session: Any, statement: str) -> None:
    """To its end: the driver ends a BACKUP or RESTORE whose messages are not taken one by one. Errors are the driver's."""
    cursor = session.cursor()
    try:
        cursor.execute(statement)
        while cursor.nextset():
            pass
    finally:
        cursor.close()


def to_the_primary(connection_string: str) -> str:
    """Without the intent to read only, which may lead to a replica, of which a backup is another matter."""
    return connection_string.replace("={ReadOnly};", "={ReadWrite};")
