"""A bench brought up for whoever tests on it: its file found and changed, its broker and its process started, and what
the tests must know of it as variables of the environment.

Two processes beside ours: the broker and the bench (nodes and world).  Both end when ours does, however that happens:
each watches its standard input.

Must not live here: what a bench is made of (``rig.node``), Robot (``rig.run``).
"""

from __future__ import annotations

import argparse
import json
import resource
import secrets
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rig import child, share
from rig.bus.broker import EmbeddedBroker
from rig.bus.client import Tls
from rig.bus.errors import BusError
from rig.bus.jitter import jitter
from rig.bus.who import who
from rig.node import bench_file

__all__ = [
    "BadRun",
    "Order",
    "Up",
    "add_options",
    "bench_path",
    "choose_from",
    "kept_if_used",
    "order",
    "up",
    "writable",
]

START_S = 60.0
STOP_S = 10.0
FILES = 128
"""Open files of one process of a run, with room: some 40 on the virtual bench."""


class BadRun(ValueError):
    """The command line asks for something that does not exist; the text says what does."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which bench is wanted: its file, what is changed in it, what it is then."""

    path: Path
    changes: tuple[str, ...]
    overlay: Mapping[str, Any]
    bench: bench_file.Bench
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def folder_name(self) -> str:
        """The folder in which results of this run lie where nobody says otherwise."""
        return f"{datetime.now():%Y%m%d-%H%M%S}-{self.run_id}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options by which a command says which bench it wants."""
    parser.add_argument("--bench", metavar="FILE", default="virtual", help="bench file, or the name of a shipped one")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="changes",
                        help="change one value of the bench file, e.g. devices.esme.fault=accepts-replays")  # fmt: skip


def order(name: str, changes: Sequence[str]) -> Order:
    """The bench called ``name`` with these changes.  Raises :class:`BadRun` and
    :class:`~rig.node.sections.BenchFileError` for whatever is wrong with it, before anything starts."""
    try:
        jitter()
    except ValueError as problem:
        raise BadRun(str(problem)) from None
    path, overlay = bench_path(name), _overlay(changes)
    _check_names(path, overlay)
    try:
        bench = bench_file.load(path, overlay)
    except bench_file.BenchFileError as problem:
        raise BadRun(_blamed(str(problem), changes)) from None
    try:
        for party in ("robot", *bench.nodes) if bench.tls is not None else ():
            Tls.of_folder(bench.tls or Path(), party).context()
    except BusError as problem:
        raise BadRun(str(problem)) from None
    return Order(path, tuple(changes), overlay, bench)


@dataclass(frozen=True, slots=True)
class Up:
    """A bench that is up: the variables that tests on it need, and a look at whether it still is (the name of the part
    that ended, or nothing)."""

    environment: Mapping[str, str]
    gone: Callable[[], str]


@contextmanager
def up(wanted: Order, evidence: Path | None) -> Iterator[Up]:
    """The bench, up before the body runs and gone after it.

    Raises :class:`~rig.bus.errors.BusError` where it does not come up, and :class:`BadRun` where its file is at fault.
    """
    bench = wanted.bench
    _have_files()
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker()) if bench.broker == "embedded" else None
        url = bench.broker if broker is None else broker.url
        process = stack.enter_context(_process(wanted, url, evidence))

        def gone() -> str:
            if broker is not None and broker.pid is None:
                return "embedded broker"
            return "" if process.poll() is None else "bench process"

        variables = {
            "RIG_BROKER": url,
            "RIG_BENCH": bench.name,
            "RIG_NODES": " ".join(bench.nodes),
            "RIG_EVIDENCE": str(evidence or ""),
            "RIG_CLOCK": "real" if bench.paced else "virtual",
            "RIG_LONGEST_TEST_S": f"{bench.longest_test / 1e9:g}",
            "RIG_TLS": str(bench.tls.absolute() if bench.tls else ""),
        }
        yield Up(variables, gone)


def bench_path(name: str) -> Path:
    """The bench file called ``name``: a path, or one of those shipped."""
    shipped = share.folder("wiring") / "benches"
    for path in (Path(name), shipped / f"{name}.yaml"):
        if path.is_file():
            return path
    known = [path.stem for path in sorted(shipped.glob("*.yaml"))]
    raise BadRun(f"no bench file {name!r}: give a path, or the name of a shipped one ({choose_from(name, known)})")


def choose_from(name: str, known: Sequence[str], most: int = 40) -> str:
    """What there is, in words, near matches to ``name`` first."""
    by_form = {_form(one): one for one in known}
    near = [by_form[form] for form in get_close_matches(_form(name), by_form, n=5, cutoff=0.5)]
    rest = [one for one in by_form.values() if one not in near]
    told = [*near, *rest][:most]
    more = len(by_form) - len(told)
    return (", ".join(told) or "there is none") + (f" and {more} more" if more > 0 else "")


def writable(out: Path) -> Path:
    """The folder ``out`` made ready for results that nobody else writes to.  Raises :class:`BadRun`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evidence").mkdir()  # who makes this folder has the place to itself
        with tempfile.TemporaryFile(dir=out):
            pass
        return out.resolve()
    except FileExistsError:
        raise BadRun(f"{out} holds another run's results; name another place with --out, or move it away") from None
    except OSError as problem:
        raise BadRun(f"results cannot be written to {out}: {problem.strerror}; name another place with --out") from None


@contextmanager
def kept_if_used(out: Path) -> Iterator[Path]:
    """The folder ``out`` as :func:`writable` makes it ready; taken back where the body raises :class:`BadRun`, so that
    the command without the slip finds the place free."""
    there = out.is_dir()
    ready = writable(out)
    try:
        yield ready
    except BadRun:
        with suppress(OSError):
            (ready / "bench.yaml").unlink(missing_ok=True)
            (ready / "evidence").rmdir()
            if not there:
                ready.rmdir()
        raise


def _check_names(path: Path, overlay: Mapping[str, Any]) -> None:
    """Raise :class:`BadRun` for a ``--set`` that goes into something the bench does not have: it changes values, and a
    slip in a name would make a new device, half of one."""
    with suppress(bench_file.BenchFileError):  # what is wrong without the changes is said with them
        bench = bench_file.load(path)
        for kind in ("nodes", "devices", "supplies", "contactors", "instruments"):
            _check_name(kind, getattr(bench, kind), overlay.get(kind))
        for name, inner in _mapping(overlay.get("devices")).items():
            for parts in ("ports", "pins"):
                _check_name(f"devices.{name}.{parts}", getattr(bench.devices[name], parts), _mapping(inner).get(parts))


def _blamed(text: str, changes: Sequence[str]) -> str:
    """What is wrong with a bench, and where to correct it: in the ``--set`` that names the place, or in the file."""
    for change in changes:
        key = change.partition("=")[0]
        above, _, last = key.rpartition(".")
        if f".{key}: " in text or (f".{above}: " in text and f"got {last!r}" in text):
            return text.replace("correct the bench file there", f"correct --set {change}")
    return text


def _check_name(where: str, known: Mapping[str, object], changes: object) -> None:
    for name in _mapping(changes):
        if name not in known:
            what = where.rpartition(".")[2]
            raise BadRun(f"--set {where}.{name}: no {name!r} among the {what}: {choose_from(name, [*known])}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _have_files() -> None:
    """Have as many files as a bench opens, or say so: what breaks later for want of them breaks anywhere.

    Raises :class:`~rig.bus.errors.BusError`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in range(FILES):
        with suppress(OSError, ValueError):  # only root may go beyond the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES if hard in range(FILES) else hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in range(FILES):
        raise BusError("this session", f"it may open {soft} files, and a bench needs {FILES}", "Do: ulimit -n 1024")


def _form(name: str) -> str:
    return name.casefold().replace(" ", "").replace("_", "")


def _overlay(changes: Sequence[str]) -> dict[str, Any]:
    overlay: dict[str, Any] = {}
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign or not key:
            raise BadRun(f"--set takes KEY=VALUE, e.g. devices.esme.fault=accepts-replays; got {change!r}")
        inner = overlay
        *path, last = key.split(".")
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadRun(f"--set {change!r} goes into a value that another --set has given")
        inner[last] = bench_file.value_of(value)
    return overlay


@contextmanager
def _process(wanted: Order, url: str, evidence: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """The bench, as a process of its own."""
    process = child.start("rig.node.bench_process")
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = _told(process, {
            "bench": str(wanted.path), "overlay": wanted.overlay, "url": url, "run": wanted.run_id,
            "owner": f"{who()}, run {wanted.run_id}", "evidence": None if evidence is None else str(evidence),
        })  # fmt: skip
        if told.get("misuse"):
            raise BadRun(_blamed(str(told["error"]), wanted.changes))
        if "error" in told:
            raise BusError("bench process", str(told["error"]).rstrip("."), str(told.get("advice", "")))
        yield process
    finally:
        with ExitStack() as stack:
            stack.callback(process.stdout.close)
            with suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _told(process: subprocess.Popen[bytes], wish: Mapping[str, Any]) -> dict[str, Any]:
    """What the bench process says when it is up, or why it is not."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(wish).encode() + b"\n")
        process.stdin.flush()
        heard, _, _ = select.select([process.stdout], [], [], START_S)
        if not heard:
            return {"error": f"it said nothing for {START_S:g} s", "advice": "Is this machine too busy?"}
        told: dict[str, Any] = json.loads(process.stdout.readline())
        return told
    except (OSError, ValueError):
        return {"error": f"it did not come up ({_end_of(process)}); its messages stand above"}
    except KeyboardInterrupt:
        process.terminate()  # it may be waiting for a broker that is not there
        raise


def _end_of(process: subprocess.Popen[bytes]) -> str:
    """How a process that says nothing more has ended, in words."""
    try:
        status = process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        return "it still runs"
    return f"killed by signal {-status}" if status < 0 else f"it ended with status {status}"
