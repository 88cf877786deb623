"""SManager's speed, beside bare servers and beside supervisord in the same run."""

import os

# Where it is set, all modules are compiled anew at each start, which takes time and memory that no user's does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
