"""`rig up`: keep a bench up for tests that something else runs: plain `robot`, an IDE, a script.

It prints what those tests need as lines for a shell, and stays in front until it is stopped.

Must not live here: how a bench is brought up (``rig.bench_up``).
"""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
from pathlib import Path

from rig.bench_up import Up, add_options, kept_if_used, order, up
from rig.bus.errors import BenchDied
from rig.exits import Exit, table

__all__ = ["add_parser", "main"]

LOOK_S = 0.2
"""How often to look whether the bench is still there."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig up` on the command line."""
    parser = commands.add_parser(
        "up",
        help="keep a bench up for plain `robot`",
        description="Bring up a bench and keep it up until Ctrl-C, SIGTERM or SIGHUP.  The variables that tests on it\n"
        "need are printed as lines for a shell; run them in the shell in which `robot` is called.",
        epilog="example: rig up --bench line >bench.env\n"
        "and in another terminal: . ./bench.env; robot my-suite.robot\n\n"
        f"{table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--out", metavar="DIR", help="where evidence goes; default: results/<date>-<time>-<run>")
    parser.set_defaults(handler=main)


def main(args: argparse.Namespace) -> int:
    """Serve until stopped; the exit status."""
    wanted = order(args.bench, args.changes)
    place = kept_if_used(Path(args.out) if args.out else Path("results") / wanted.folder_name)
    with place as out, up(wanted, out / "evidence") as bench:
        for name, value in bench.environment.items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        print(f"rig up: bench {wanted.bench.name} is up; evidence: {out / 'evidence'}; Ctrl-C ends it", file=sys.stderr)
        try:
            _wait(bench)
        except KeyboardInterrupt:
            print("rig up: stopped", file=sys.stderr)
    return Exit.STOPPED


def _wait(bench: Up) -> None:
    """Until stopped.  Raises :class:`BenchDied` where a part of the bench ends by itself."""
    pause = threading.Event()
    while not (gone := bench.gone()):
        pause.wait(LOOK_S)
    raise BenchDied(gone, "it ended by itself", "Its messages stand above.")
