"""Starts the sandbox: `python -m sandbox --port 9100 --organisations 25 --seed 7`."""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from sandbox.calls import Call
from sandbox.life import live
from sandbox.rendering import plain
from sandbox.server import make_app
from sandbox.state import Keeper, StateError
from sandbox.world import World


def _say(address: str) -> None:
    print(f"sandbox: {address}", flush=True)  # noqa: T201 - tells whoever started us


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = _say) -> int:
    """Serve until told to stop; 2 when it cannot begin. `tell` is given the address, once it answers."""
    arguments = _arguments(words)
    world = World(
        seed=arguments.seed,
        organisations=arguments.organisations,
        client_secret=arguments.client_secret,
        latency=arguments.latency_ms / 1000,
    )
    try:
        keeper = Keeper(world, arguments.state)
        asyncio.run(_serve(world, keeper, arguments, tell))
    except (StateError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)  # noqa: T201 - the one way to say why
        return 2
    return 0


async def _serve(
    world: World, keeper: Keeper, arguments: argparse.Namespace, tell: Callable[[str], None]
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if starter := multiprocessing.parent_process():  # a killed test must not leave a sandbox behind
        loop.add_reader(starter.sentinel, stopped.set)
    app = make_app(world, keeper.save, _written(arguments.writes))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    duties = []
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        host, port = runner.addresses[0][:2]
        duties.append(asyncio.create_task(keeper.keep()))
        if arguments.edits_per_minute:
            duties.append(asyncio.create_task(live(world, arguments.edits_per_minute)))
        tell(f"http://{host}:{port}")
        await stopped.wait()
    finally:
        for duty in duties:
            duty.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await duty
        await runner.cleanup()
        keeper.save()


def _written(folder: Path | None) -> Callable[[Call], None]:
    """Notes each write as a line in a file of this process's own."""
    if folder is None:
        return lambda _call: None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.jsonl"

    def note(call: Call) -> None:
        with path.open("ab") as file:
            file.write(plain(vars(call)) + b"\n")

    return note


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("sandbox", description="A local Xero over real HTTP.")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (its doors need no sign-in)"
    )
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    parser.add_argument("--organisations", type=_at_least_one, default=25)
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same data")
    parser.add_argument("--latency-ms", type=_not_negative, default=0.0, help="added to every answer")
    parser.add_argument("--state", type=Path, help="file that lets a restart go on as the same Xero")
    parser.add_argument("--edits-per-minute", type=_not_negative, default=0.0, help="life goes on by itself")
    parser.add_argument("--client-secret", help="instead of the seed's own")
    parser.add_argument(
        "--writes",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get("SANDBOX_WRITES"),  # noqa: TID251 - it has no settings of ours
        help="note every write in a file there (SANDBOX_WRITES says it for every sandbox)",
    )
    return parser.parse_args(words)


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _not_negative(text: str) -> float:
    if (number := float(text)) < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


if __name__ == "__main__":
    sys.exit(main())
