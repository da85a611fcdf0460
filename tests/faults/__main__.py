"""A soak by the command line: `make soak`.

    python -m tests.faults --minutes 10 --database postgresql --seed 1

Ends with 0 when the store equals the provider, record by record, no slot was run twice, no press is lost and
no call was refused, each decision was applied once or met somebody else's edit, and each webhook counted
once; prints what was done to it and how long it took to recover.
"""

import argparse
import random
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from tests.faults.nursery import Nursery
from tests.faults.soak import soak


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    options = parser.parse_args()
    sys.stdout.write(f"seed {options.seed}\n")
    sys.stdout.flush()
    nursery = Nursery()
    with tempfile.TemporaryDirectory(prefix="ledgertide-soak-") as folder:
        try:
            length = timedelta(minutes=options.minutes)
            story = soak(options.database, Path(folder), nursery, length=length, seed=options.seed)
        finally:
            nursery.close()
    assert story.verdict
    flaws = story.verdict.flaws()
    sys.stdout.write("\n".join([*story.lines(), *flaws]) + "\n")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
