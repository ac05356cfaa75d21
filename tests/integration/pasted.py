"""A command that was pasted, run by a fork (`tests.integration.forking`): `python -I -S pasted.py SOCKET MODULE ARGUMENT…`.

The fork has this process's streams, folder and environment, and this process ends as it does. Loads next to nothing itself.
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    asked = {"argv": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ)}  # noqa: PTH109  without pathlib
    socket.send_fds(server, [json.dumps(asked).encode() + b"\n"], [0, 1, 2])
    sys.exit(int(server.makefile().readline() or 1))
