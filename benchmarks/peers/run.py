"""Measure oms against its peers: `python benchmarks/peers/run.py`; README.md beside this file says more."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Modules are found from benchmarks/, as the tests find them, and not from the folder of this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from peers.command import main

    sys.exit(main())
