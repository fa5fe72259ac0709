"""The kazoo suite: every scenario of this folder, run through kazoo against one server.

main.py <host:port> [scenario...]
"""

import sys

# Each import registers its scenarios, which run in this order.
# ruff: noqa: F401, I001
import basics
import multi
import access
import watches
import sessions
import recipes
import coordination
from support import run_scenarios

if __name__ == "__main__":
    sys.exit(run_scenarios(sys.argv[1], sys.argv[2:]))
