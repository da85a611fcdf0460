"""Simulates days of many organisations and says which promises were kept.

    python -m bench.week [--days 7] [--organisations 20] [--seed N] [--windows fixed|rolling] [--database URL]

Ends with 0 when all were. The seed draws what happens and when; feeds draw their slots anew each time.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from bench.week.plan import Plan
from bench.week.simulation import simulate
from bench.week.tables import show
from config.logging import configure
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox

# Where writing costs least; nothing has to last.
MEMORY = Path("/dev/shm")  # noqa: S108


def main() -> int:
    """Print the tables; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--organisations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--windows", choices=("fixed", "rolling"), default="fixed")
    parser.add_argument("--database", help="an empty database's address; SQLite in memory otherwise")
    options = parser.parse_args()
    configure("CRITICAL")
    plan = Plan(options.seed, options.days, options.organisations, windows=options.windows)
    print(f"seed {plan.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        Valkey(Path(folder) / "redis", persistent=False) as redis,
        Sandbox.start(organisations=plan.organisations, seed=plan.seed) as sandbox,
    ):
        database_url = options.database or f"sqlite:///{folder}/week.sqlite"
        report = simulate(plan, sandbox, database_url, redis.url)
    show(report)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
