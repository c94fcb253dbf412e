"""The command line, `rig ...`: one parser, one handler a command.

Whatever is wrong with what a user gave, or with the place where it runs, ends in one clear line and the exit status
that ``rig.exits`` names, never in a traceback.

Must not live here: what a command does.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

from rig import child
from rig.exits import Exit, hush, table

__all__ = ["main"]

MODULES = {
    "run": "rig.run",
    "up": "rig.up",
    "list": "rig.listing",
    "requirements": "rig.requirements",
    "times": "rig.times",
    "gbcs": "rig.gbcs.cli",
    "corpus": "rig.gbcs.check",
    "perf": "rig.perf",
}
KINDS = {
    "rig.bench_up": "BadRun",
    "rig.requirements": "BadRequest",
    "rig.evidence.bench_times": "BadTimes",
    "rig.evidence.record": "BadRecords",
    "rig.judged_run": "BadTerms",
    "rig.node.bench_file": "BenchFileError",
    "devices.wire.errors": "WireError",
    "rig.ports.protocols": "PortError",
    "rig.host.store": "StoreError",
}
"""Module to the error in it that says what a user gave wrongly.  One whose module nobody loaded cannot be meant."""
BROKEN = {"rig.bus.errors": "BusError"}
"""The same for what says that the bench broke."""
OWN_WORDS = frozenset({"run"})
"""Commands whose words another parser reads."""
HELP = frozenset({"-h", "--help"})
MACHINE_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What an operating system says when it, and not the user, is at fault."""


class Parser(argparse.ArgumentParser):
    """argparse with our exit status for misuse; those of commands are of this class too."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Exit.MISUSE, f"{self.prog}: {message}\n")


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line: of the command alone that ``argv`` begins with, for every other one would bring its room along
    and a run would start half a second later; the whole one where that is no command."""
    top = Parser(
        prog="rig",
        description="A test bench for Great Britain's smart metering, on true GBCS messages and sensed contacts.",
        epilog=f"example: rig run installation\n\n{table()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = argv[0] if argv else ""
    for module in [MODULES[named]] if named in MODULES else MODULES.values():
        import_module(module).add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; the exit status."""
    words = sys.argv[1:] if argv is None else argv
    words = ["list", *words] if words[:1] == ["faults"] else words  # its name of earlier days
    _have_streams()
    child.end_soon()
    try:
        os.getcwd()
    except OSError:
        return _end("rig", "the working directory is gone; change to one that is there", Exit.MISUSE)
    with _stops_end_as_ctrl_c():
        try:
            args = _parsed(words)
        except KeyboardInterrupt:
            return _end("rig", "stopped", Exit.STOPPED)
        return _handled(args)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """What ``words`` ask for; those of a command that reads its own words stay as they are."""
    if words and words[0] in OWN_WORDS and not HELP.intersection(words):
        args = parser(words).parse_args(words[:1])
        args.words = words[1:]
        return args
    return parser(words).parse_args(words)


def _handled(args: argparse.Namespace) -> int:
    name = f"rig {args.command}"
    try:
        status = int(args.handler(args))
        sys.stdout.flush()
        return status
    except _kinds(KINDS) as problem:
        return _end(name, str(problem), Exit.MISUSE)
    except _kinds(BROKEN) as problem:
        return _end(name, f"INFRA: {problem}", Exit.INFRA)
    except KeyboardInterrupt:
        return _end(name, "stopped", Exit.STOPPED)
    except BrokenPipeError:  # whoever read has seen enough
        hush()
        return Exit.GOOD
    except OSError as problem:
        full = problem.errno in MACHINE_FULL
        text = f"{problem.filename or 'output'}: {problem.strerror or problem}"
        return _end(name, f"INFRA: {text}" if full else text, Exit.INFRA if full else Exit.MISUSE)


def _end(name: str, text: str, status: Exit) -> int:
    """The last line; a standard output that took no more is given up."""
    with suppress(OSError):
        print(f"{name}: {text}", file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        hush()
    return status


def _kinds(named: dict[str, str]) -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in named.items() if module in sys.modules)


@contextmanager
def _stops_end_as_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does, unless whoever started it has them ignored (nohup)."""

    def stop(number: int, _frame: Any) -> None:
        now = signal.getsignal(signal.SIGTERM)
        if number == signal.SIGHUP and now is not stop and callable(now):
            now(signal.SIGTERM, _frame)  # Robot runs, and ends its suites in good order
        else:
            raise KeyboardInterrupt

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)


def _have_streams() -> None:
    """What a file or a device calls itself need not fit the terminal's encoding, and a stream that was closed before we
    came (``>&-``) must not lend its number to a file that is opened later."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            while (got := os.open(os.devnull, os.O_RDWR)) < number:
                continue
            stream = open(number if got == number else got, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    for told in (sys.stdout, sys.stderr):
        if isinstance(told, TextIOWrapper):
            told.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
