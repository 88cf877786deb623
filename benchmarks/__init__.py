"""Measures SManager's speed, beside bare servers and supervisord in the same run."""

import os

# With this set, Python recompiles all modules at each start, which costs time and memory that users do not pay.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
