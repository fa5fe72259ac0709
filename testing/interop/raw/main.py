"""The raw protocol suite: requests written byte by byte, replies printed byte by byte.

    main.py <group> <host:port> [scenario...]
"""

import sys

import handshake  # noqa: F401  (each import registers its scenarios)
import framing  # noqa: F401
import operations  # noqa: F401
import multis  # noqa: F401
import events  # noqa: F401
import identities  # noqa: F401
import administration  # noqa: F401
import quotas  # noqa: F401
import quirks  # noqa: F401
from scenario import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
