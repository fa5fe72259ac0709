"""The raw protocol suite: requests written byte by byte, replies printed byte by byte.

main.py <group> <host:port> [scenario...]
"""

import sys

# Each import registers its scenarios, which run in this order.
# ruff: noqa: F401, I001
import handshake
import framing
import operations
import multis
import events
import identities
import administration
import observed
import quotas
import quirks
from scenario import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
