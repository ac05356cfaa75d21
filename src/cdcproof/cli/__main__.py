"""`python -m cdcproof.cli`."""

import sys

from cdcproof.cli.main import main

sys.exit(main())
