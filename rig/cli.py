"""The command line, `rig ...`: one parser, one handler a command.

Whatever is wrong with what a user gave ends in one clear line and exit status 2, never in a traceback.

Must not live here: what a command does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from devices.wire.errors import WireError
from rig import run
from rig.node.bench_file import BenchFileError

__all__ = ["main"]

MISUSE = 2
MODULES = ("rig.run", "rig.gbcs.cli", "rig.gbcs.check", "rig.perf")
KINDS = (run.BadRun, BenchFileError, WireError)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="rig",
        description="A test bench for Great Britain's smart metering, on true GBCS messages and sensed contacts.",
        epilog="example: rig run installation",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in MODULES:
        import_module(module).add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; the exit status."""
    args = parser().parse_args(argv)
    try:
        return int(args.handler(args))
    except KINDS as problem:
        print(f"rig {args.command}: {problem}", file=sys.stderr)
        return MISUSE
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
