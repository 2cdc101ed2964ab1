"""`python -m gateway` is the console script."""

import sys

from gateway.cli import main

sys.exit(main())
