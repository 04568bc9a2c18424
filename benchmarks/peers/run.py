"""Measure oms beside its peers: `python benchmarks/peers/run.py`. See README.md in this folder."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Import modules from benchmarks/, as the tests do, and not from the folder of this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from peers.command import main

    sys.exit(main())
