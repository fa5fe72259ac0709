"""The kazoo suite: every scenario of this folder, run through kazoo against one server.

    main.py <host:port> [scenario...]
"""

import sys

import basics  # noqa: F401  (each import registers its scenarios)
import multi  # noqa: F401
import access  # noqa: F401
import watches  # noqa: F401
import sessions  # noqa: F401
import recipes  # noqa: F401
import coordination  # noqa: F401
from support import run_scenarios

if __name__ == "__main__":
    sys.exit(run_scenarios(sys.argv[1], sys.argv[2:]))
