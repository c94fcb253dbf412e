"""The command line, `rig ...`: one parser, one handler a command.

Whatever is wrong with what a user gave ends in one clear line and exit status 2, never in a traceback.

Must not live here: what a command does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

__all__ = ["main"]

MISUSE = 2
MODULES = {
    "run": "rig.run",
    "faults": "rig.faults",
    "gbcs": "rig.gbcs.cli",
    "corpus": "rig.gbcs.check",
    "perf": "rig.perf",
}
KINDS = {
    "rig.run": "BadRun",
    "rig.node.bench_file": "BenchFileError",
    "devices.wire.errors": "WireError",
    "rig.ports.protocols": "PortError",
    "rig.host.store": "StoreError",
}
"""Module to the error in it that says what a user gave wrongly.  One whose module nobody loaded cannot be meant."""


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line: of the command alone that ``argv`` begins with, for every other one would bring its room along
    and a run would start half a second later; the whole one where that is no command."""
    top = argparse.ArgumentParser(
        prog="rig",
        description="A test bench for Great Britain's smart metering, on true GBCS messages and sensed contacts.",
        epilog="example: rig run installation",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = argv[0] if argv else ""
    for module in [MODULES[named]] if named in MODULES else MODULES.values():
        import_module(module).add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; the exit status."""
    words = sys.argv[1:] if argv is None else argv
    args = parser(words).parse_args(words)
    _forgive_odd_characters()
    try:
        status = int(args.handler(args))
        sys.stdout.flush()
        return status
    except _kinds() as problem:
        print(f"rig {args.command}: {problem}", file=sys.stderr)
        return MISUSE
    except BrokenPipeError:  # whoever read has seen enough
        _say_no_more()
        return 0
    except OSError as problem:
        place = problem.filename or "output"
        print(f"rig {args.command}: {place}: {problem.strerror or problem}", file=sys.stderr)
        _say_no_more()
        return MISUSE


def _kinds() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in KINDS.items() if module in sys.modules)


def _forgive_odd_characters() -> None:
    """What a file or a device calls itself need not fit the terminal's encoding."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _say_no_more() -> None:
    """Leave nothing that the interpreter would try to write on its way out."""
    with suppress(OSError, ValueError):  # a test's stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
