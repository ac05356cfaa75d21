"""`python -m tests.statement STATEMENT ARGUMENT…` is `python -c`, for one that runs modules only."""

import sys

exec(sys.argv.pop(1))
