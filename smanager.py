#!/usr/bin/env python3
"""Starts SManager from a checkout: `python3 smanager.py`. The package of the same name is found first."""

import sys

from smanager.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
