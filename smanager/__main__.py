"""`python3 -m smanager`."""

import sys

from smanager.cli import main

sys.exit(main())
