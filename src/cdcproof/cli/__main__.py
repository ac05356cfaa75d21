"""`python -m cdcproof.cli`."""

import sys

from cdcproof.cli.main import program

sys.exit(program())
