"""Run a script or a module (-m) in this process and print its peak memory in KiB."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path


def peak_kib() -> int:
    """Of this program alone: getrusage's ru_maxrss begins with what the process had that it was forked from."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else -1


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
        print(f"\npeak_kib={peak_kib()}", flush=True)


main()
