"""`python -m cdcproof`."""

import sys

from cdcproof.cli.main import main

sys.exit(main())
