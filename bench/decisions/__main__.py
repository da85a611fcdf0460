"""`make decisions`: a thousand decisions, every third answer lost, doors and workers killed at every step."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.decisions.proof import prove
from ledgertide.embedded.valkey import Valkey
from tests.services.postgres import embedded_server


def main() -> int:
    """Prove it, and say what was seen; 1 when one was not applied exactly once, or nobody died at a step."""
    parser = argparse.ArgumentParser("bench.decisions", description=__doc__)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="give up after so long")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        url = servers.enter_context(_database(given.database, folder))
        redis = servers.enter_context(Valkey(folder / "redis", persistent=False))
        result = prove(
            url,
            redis.url,
            folder,
            wanted=given.decisions,
            workers=given.workers,
            patience=given.minutes * 60,
            seed=given.seed,
        )
    kills = sum(result.kills.values())
    print(f"{result.decisions} decisions in {result.seconds:.0f} s: {dict(result.outcomes)}")
    print(f"answers lost after the work: {result.lost_answers}; processes killed: {kills}")
    print("  " + ", ".join(f"{point} {times}" for point, times in sorted(result.kills.items())))
    for flaw in result.flaws:
        print(f"  WRONG: {flaw}")
    print(f"neither applied exactly once, nor a real conflict: {len(result.flaws)}")
    if result.missed:
        print(f"WRONG: nobody died at {', '.join(result.missed)}")
    return 1 if result.flaws or result.missed else 0


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'decisions.sqlite'}"
        return
    with embedded_server() as server:
        yield server.url(server.create())


if __name__ == "__main__":
    sys.exit(main())
