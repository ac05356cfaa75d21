"""`python -m cdcproof`."""

import sys

from cdcproof.cli.main import program

sys.exit(program())
