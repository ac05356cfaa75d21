"""Run a script or a module (-m) in this process and print its peak memory in KiB."""

from __future__ import annotations

import resource
import runpy
import sys


def main() -> None:
    """Run and print."""
    arguments = sys.argv[1:]
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        print(f"\npeak_kib={resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", flush=True)


main()
