"""`python -m degas` is the command `degas`."""

import sys

from degas.cli.main import main

sys.exit(main())
