"""What the services store, and whether it belongs together: each store holds the instance's identity.

A half may go while the other stays: somebody, or a cleaner of temporary files, removed it. Positions in one then mean
nothing in the other, so what cannot be used without the part that is gone is made anew with it. All of it is test data.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import OperationError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded.processes import running
from cdcproof.environments.embedded.state import Instance

SOURCE, TARGET, ZOOKEEPER, KAFKA, REGISTRY = "postgres-source", "postgres", "zookeeper", "kafka", "schema-registry"
_STAMP = "cdcproof-instance"


@dataclass(frozen=True)
class Store:
    """What one service keeps on the disk."""

    service: str
    data: Path
    """A folder; of the schema registry a file."""

    @property
    def stamp(self) -> Path:
        """Holds the identity of the instance. It goes wherever the data goes."""
        return self.data.with_suffix(f".{_STAMP}") if self.service == REGISTRY else self.data / _STAMP

    @property
    def identity(self) -> str:
        """The identity of the instance that it belongs to, empty where nothing says so."""
        with suppress(OSError):
            return bounded.read_text(self.stamp).strip()
        return ""


def of(instance: Instance) -> tuple[Store, ...]:
    """The stores of an instance. Kafka Connect keeps what it knows in topics, and monitoring stands for itself."""
    data, databases = instance.folders.data, instance.folders.postgres
    return (
        Store(SOURCE, databases / SOURCE),
        Store(TARGET, databases / TARGET),
        Store(ZOOKEEPER, data / "zookeeper"),
        Store(KAFKA, data / "kafka"),
        Store(REGISTRY, data / "schema-registry.mv.db"),
    )


def gone(instance: Instance) -> tuple[Store, ...]:
    """The stores that are not there, or are of another instance. None of an instance that never replicated."""
    stores = of(instance)
    if not instance.folders.secrets.exists():  # nobody can enter the databases any more
        return stores if any(store.data.exists() for store in stores) else ()
    stamps = {store.identity for store in stores}
    identity = instance.identity or (stamps.pop() if len(stamps) == 1 else "")
    if identity:
        return tuple(store for store in stores if not store.data.exists() or store.identity != identity)
    return tuple(store for store in stores if not store.data.exists()) if instance.prepared else ()


def made_anew(lost: Collection[str]) -> frozenset[str]:
    """The services whose stores have to be made anew when those of `lost` are gone.

    Everything is a copy of the source. ZooKeeper and Kafka know each other, and a record is read by its schema's number.
    """
    if SOURCE in lost:
        return frozenset((SOURCE, TARGET, ZOOKEEPER, KAFKA, REGISTRY))
    return frozenset(lost) | (frozenset() if set(lost) <= {TARGET} else {ZOOKEEPER, KAFKA})


def sentence(lost: Collection[Store]) -> str:
    """What is gone, and what `up` makes of it."""
    services = {store.service for store in lost}
    what = ", ".join(f"{store.service} ({store.data})" for store in lost)
    anew = made_anew(services)
    if SOURCE in anew:
        then = "nothing else is of use without it, so the instance starts anew with the first rows; its backups stay"
    elif KAFKA in anew:
        then = (
            "the topics are made anew and the source's tables are read again; rows that were deleted meanwhile stay at "
            "the target, and `cdcproof reconcile --pipeline embedded --validate-checksums` names them"
        )
    else:
        then = "it is filled again from the source"
    return f"the data is gone, or of another instance: {what}; {then}"


def remove(instance: Instance, services: Collection[str]) -> None:
    """Delete the stores of these services, stamps included."""
    for store in of(instance):
        if store.service in services:
            shutil.rmtree(store.data, ignore_errors=True)
            for file in (store.data, store.stamp):
                with suppress(FileNotFoundError, NotADirectoryError):
                    file.unlink()
    with suppress(OSError):
        instance.folders.postgres.rmdir()  # when both are gone; they are made anew where they last


def rid_of_orphans(instance: Instance, lost: Collection[Store], progress: Progress) -> Instance:
    """Take away what means nothing without the stores that are gone, so that it is made anew with them."""
    if not lost:
        return instance
    progress.done(sentence(lost))
    anew = made_anew({store.service for store in lost})
    for service in (*(("kafka-connect",) if KAFKA in anew else ()), *anew):
        if instance.is_alive(service):
            running.kill(instance.processes[service])
    remove(instance, anew)
    return replace(instance, prepared=False, identity="") if SOURCE in anew else instance


def require_all(instance: Instance) -> None:
    """Raise `OperationError` when a store is gone: a service that is only started would make an empty one."""
    lost = gone(instance)
    if lost:
        raise OperationError(
            f"The data is gone, or of another instance: {', '.join(f'{s.service} ({s.data})' for s in lost)}.",
            f"cdcproof up{instance.option}   # makes it anew, and says what else starts anew with it",
        )


def marked(instance: Instance) -> Instance:
    """Put the identity into every store that lacks it; the instance with its identity."""
    identity = instance.identity or secrets.token_hex(8)
    for store in of(instance):
        if store.identity != identity:
            store.stamp.write_text(f"{identity}\n", encoding="utf-8")
    return replace(instance, identity=identity)
