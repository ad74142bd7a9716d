"""`python -m aa1xr` is the command `aa1xr`."""

import sys

from aa1xr.cli import main

sys.exit(main())
