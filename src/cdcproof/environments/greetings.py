"""What a server of each kind answers at once and to anybody: a port that accepts says only that its machine still does."""

from __future__ import annotations

import struct

from cdcproof.pipeline.model import Pipeline, Service

ZOOKEEPER = b"ruok"
KAFKA = struct.pack("!ihhih", 18, 18, 0, 1, 8) + b"cdcproof"
"""ApiVersions, version 0, from the client cdcproof: every broker answers it, before any login."""
HTTP = b"GET / HTTP/1.0\r\n\r\n"
POSTGRESQL = struct.pack("!ii", 8, 80877103)
"""SSLRequest: the server answers with one byte, before any login, and logs nothing."""
SQLSERVER = (
    struct.pack("!BBHHBB", 0x12, 1, 26, 0, 1, 0)  # a PRELOGIN packet of 26 bytes
    + struct.pack("!BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)  # its version and encryption, by place and length
    + struct.pack("!IHB", 0, 0, 0)
)


def greeting(service: Service, pipeline: Pipeline) -> bytes:
    """What to send to a service whose endpoint is a bare port; empty for one of another kind, of which no answer is known."""
    databases = {"source": pipeline.source, "target": pipeline.target}
    if service.role in databases:
        return POSTGRESQL if databases[service.role].type == "postgresql" else SQLSERVER
    by_role = {"kafka": KAFKA, "zookeeper": ZOOKEEPER, "connect": HTTP, "registry": HTTP}
    return by_role.get(service.role, b"")
