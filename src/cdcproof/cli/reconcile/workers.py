"""Who reads the slices of tables beside this process: what `reconcile` says of it by its flags."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module

from cdcproof.cli.reconcile.inputs import Inputs
from cdcproof.clients import dask_cluster
from cdcproof.core.errors import CdcproofError, UsageError
from cdcproof.core.secrets import scrub
from cdcproof.reconcile.slices.distribution import Addresses, Distribution

Workers = Callable[[], Executor]


def workers(arguments: argparse.Namespace) -> tuple[str, Workers | None]:
    """Who reads slices, by the name that the report gives them, and what makes their executor; None where nobody else does.

    Raises `UsageError` for flags that contradict each other, and a factory that is not there.
    """
    given = [flag for flag in ("executor", "cluster", "slice", "merge") if getattr(arguments, flag)]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} exclude each other.")
    if arguments.merge:
        demand_contents(arguments, "--merge")
        if not arguments.merge.is_dir():
            raise UsageError(f"--merge {arguments.merge}: there is no such folder.", "Name the folder of --slice.")
        return "other processes (--slice)", None
    if arguments.cluster:
        demand_contents(arguments, "--cluster")
        dask_cluster.demand_safe(arguments.cluster)
        dask_cluster.demand_installed()
        return f"the cluster {arguments.cluster}", lambda: dask_cluster.connected(arguments.cluster)
    if not arguments.executor:
        return "", None
    demand_contents(arguments, "--executor")
    return f"the executor {arguments.executor}", _factory(arguments.executor)


def demand_contents(arguments: argparse.Namespace, flag: str) -> None:
    """Raise `UsageError` where other processes have nothing to read, or would lack a password."""
    if not arguments.validate_checksums:
        raise UsageError(f"{flag} compares contents.", "Give --validate-checksums too.")
    if arguments.budget:
        raise UsageError(f"{flag} and --budget exclude each other.", "A scrub reads its slices by itself.")
    for side in ("source", "target"):
        if getattr(arguments, f"{side}_password") is not None:
            raise UsageError(
                f"{flag} cannot be given with --{side}-password.",
                f"A password never travels: export it on every machine, as the variable that --{side}-password-env names.",
            )


@contextmanager
def distributed(inputs: Inputs, executor: Workers, at_once: int) -> Iterator[Distribution]:
    """The executor, made now: what is wrong with it ends the run before anything is read. Raises what making it raises."""
    source, target = inputs.source.address, inputs.target.address
    if source is None or target is None:
        raise TypeError("both sides have addresses")
    slices = Distribution(executor, Addresses(source, target, inputs.statement_timeout_seconds), at_once)
    try:
        slices.start()
        yield slices
    finally:
        slices.close()


def _factory(text: str) -> Workers:
    module, _, name = text.partition(":")
    if not module or not name:
        raise UsageError(
            f"--executor {text}: give MODULE:FACTORY.", "For example: concurrent.futures:ThreadPoolExecutor"
        )
    try:
        found = getattr(import_module(module), name)
    except ImportError as error:
        raise UsageError(
            f"--executor {text}: {error}.", "Name a module that this Python finds; PYTHONPATH adds folders."
        ) from None
    except AttributeError:
        raise UsageError(f"--executor {text}: {module} has no {name}.") from None

    def made() -> Executor:
        try:
            executor = found()
        except CdcproofError:
            raise
        except Exception as error:  # noqa: BLE001  whatever somebody else's function raises
            raise UsageError(
                f"--executor {text} makes no executor: {scrub(f'{type(error).__name__}: {error}')}",
                "It is called without parameters.",
            ) from None
        if not isinstance(executor, Executor):
            raise UsageError(f"--executor {text}: it makes {type(executor).__name__}, no concurrent.futures.Executor.")
        return executor

    if not callable(found):
        raise UsageError(f"--executor {text}: it cannot be called.", "Name a function that makes the executor.")
    return made
