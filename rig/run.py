"""`rig run`: bring up a bench, run the Robot suites on it, say where the results are.

Three processes: Robot (this one), the bench (nodes and world), the broker.  The other two end when this one does,
however that happens: each watches its standard input.

Must not live here: what a bench is made of (``rig.node``), what a keyword does (``rig.keywords``).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from robot.run import run as run_robot  # type: ignore[import-untyped]

from devices.wire import eui64
from rig import share
from rig.bus.broker import EmbeddedBroker
from rig.bus.client import Tls
from rig.bus.errors import BusError
from rig.bus.jitter import jitter
from rig.evidence.verdicts import INFRA_EXIT
from rig.keywords.listener import RunListener
from rig.node import bench_file
from rig.node.sections import read_yaml

__all__ = ["BadRun", "add_parser", "bench_path", "main"]

BENCH_START_S = 30.0
BENCH_STOP_S = 10.0
STOPPED_EXIT = 253
"""Exit status of a run that the user stopped: Robot's own number for that."""


class BadRun(ValueError):
    """The command line asks for something that does not exist; the text says what does."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig run` on the command line."""
    parser = commands.add_parser(
        "run",
        help="bring up a bench and run Robot suites on it",
        description="Bring up a bench (by default the virtual one, which needs no hardware), run Robot suites on it, "
        "and write results and evidence.  The exit status is Robot's; 255 when the bench broke, 253 after Ctrl-C.",
        epilog="example: rig run contactor_valve outage --include req:CV-1 --out results/today",
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="a suite of this project by name, or a path; default: all"
    )
    parser.add_argument("--bench", metavar="FILE", default="virtual", help="bench file, or the name of a shipped one")
    parser.add_argument("--out", metavar="DIR", help="where results go; default: results/<date>-<time>-<run>")
    parser.add_argument("--include", metavar="TAG", action="append", default=[], help="only tests with this tag")
    parser.add_argument("--exclude", metavar="TAG", action="append", default=[], help="no tests with this tag")
    parser.add_argument("--test", metavar="NAME", action="append", default=[], help="only tests with this name")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="changes",
                        help="change one value of the bench file, e.g. devices.esme.fault=accepts-replays")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no line a test on the screen")
    parser.set_defaults(handler=main)


def main(args: argparse.Namespace) -> int:
    """Run; the exit status."""
    try:
        jitter()
    except ValueError as problem:
        raise BadRun(str(problem)) from None
    path = bench_path(args.bench)
    overlay = _overlay(args.changes)
    bench = bench_file.load(path, overlay)
    _check_tls(bench)
    suites = [_suite(name) for name in args.suites] or [share.folder("robot_suites")]
    run_id = secrets.token_hex(4)
    out = Path(args.out) if args.out else Path("results") / f"{datetime.now():%Y%m%d-%H%M%S}-{run_id}"
    out = _writable(out)
    (out / "bench.yaml").write_text(bench_file.effective(path, overlay), encoding="utf-8")
    listener = RunListener()
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            url = bench.broker
            if url == "embedded":
                url = stack.enter_context(EmbeddedBroker()).url
            stack.enter_context(_bench_process(path, overlay, url, out / "evidence", run_id))
            stack.callback(listener.leave)
            os.environ |= {
                "RIG_BROKER": url,
                "RIG_BENCH": bench.name,
                "RIG_NODES": " ".join(bench.nodes),
                "RIG_EVIDENCE": str(out / "evidence"),
                "RIG_TLS": str(bench.tls or ""),
            }
            status = _robot(args, suites, out, listener, _metadata(bench, args, run_id))
    except BusError as problem:
        print(f"rig run: INFRA: {problem}", file=sys.stderr)
        return INFRA_EXIT
    except OSError as problem:  # a disk that is full, a folder that is gone
        print(f"rig run: INFRA: {problem.filename or out}: {problem.strerror or problem}", file=sys.stderr)
        return INFRA_EXIT
    except KeyboardInterrupt:  # before or after Robot, which takes Ctrl-C by itself
        print("rig run: stopped", file=sys.stderr)
        return STOPPED_EXIT
    if status in (252, 255) and not listener.total:
        return int(status)
    took = time.monotonic() - started
    log = out / "log.html"
    print(
        f"rig run: {listener.summary()} in {took:.1f} s ({_ran(args)}; bench {bench.name}, seed {bench.seed}); "
        f"results: {log if log.exists() else out}, evidence: {out / 'evidence'}"
    )
    if listener.stopped:
        return STOPPED_EXIT
    return INFRA_EXIT if listener.infra else int(status)


def bench_path(name: str) -> Path:
    """The bench file called ``name``: a path, or one of those shipped."""
    shipped = share.folder("wiring") / "benches"
    for path in (Path(name), shipped / f"{name}.yaml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in shipped.glob("*.yaml")))
    raise BadRun(f"no bench file {name!r}: give a path, or the name of a shipped one ({known})")


def _check_tls(bench: bench_file.Bench) -> None:
    """Whatever is wrong with a certificate is said before anything starts."""
    try:
        for name in ("robot", *bench.nodes) if bench.tls is not None else ():
            Tls.of_folder(bench.tls or Path(), name).context()
    except BusError as problem:
        raise BadRun(str(problem)) from None


def _suite(name: str) -> Path:
    folder = share.folder("robot_suites")
    for path in (Path(name), folder / name, folder / f"{name}.robot"):
        if path.exists():
            return path
    known = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_dir() and any(p.glob("*.robot"))))
    raise BadRun(f"no suite {name!r}: give a path, or one of {known}")


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


def _writable(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evidence").mkdir()  # who makes this folder has the place to itself
        with tempfile.TemporaryFile(dir=out):
            pass
    except FileExistsError:
        raise BadRun(f"{out} holds another run's results; name another place with --out, or move it away") from None
    except OSError as problem:
        raise BadRun(f"results cannot be written to {out}: {problem.strerror}; name another place with --out") from None
    return out.resolve()


def _metadata(bench: bench_file.Bench, args: argparse.Namespace, run_id: str) -> list[str]:
    """What a reader of the results must know of the run: it stands at the head of log and report."""
    devices = ", ".join(f"{d.name} {eui64.text(d.eui)}" for d in bench.devices.values())
    return [
        f"Bench:{bench.name}, from {bench.source}; as it was used: bench.yaml",
        f"Seed:{bench.seed}",
        f"Changed with --set:{', '.join(args.changes) or 'nothing'}",
        f"Devices:{devices}",
        f"Rig:{_version()}",
        f"Run:{run_id}",
    ]


def _ran(args: argparse.Namespace) -> str:
    return " ".join(args.suites) or "all suites"


def _version() -> str:
    try:
        return version("gb-smart-meter-rig")
    except PackageNotFoundError:
        return "not installed"


def _robot(
    args: argparse.Namespace, suites: Sequence[Path], out: Path, listener: RunListener, metadata: list[str]
) -> int:
    options: dict[str, Any] = {
        "outputdir": str(out),
        "include": args.include,
        "exclude": args.exclude,
        "test": args.test,
        "listener": listener,
        "metadata": metadata,
        "tagdoc": _tag_docs(),
        "name": "Rig",
        "console": "quiet" if args.quiet else "verbose",
        "loglevel": "INFO",
    }
    if len(suites) == 1:
        options.pop("name")
    return int(run_robot(*map(str, suites), **options))


def _tag_docs() -> list[str]:
    """What the tags of requirements mean, for the statistics of log and report."""
    path = share.folder("robot_suites") / "requirements" / "catalogue.yaml"
    rows: dict[str, dict[str, str]] = read_yaml(path.read_text(encoding="utf-8"))["requirements"]
    return [f"req?{name}:{row['text']}" for name, row in rows.items()]  # Robot splits at the first colon


@contextmanager
def _bench_process(path: Path, overlay: Mapping[str, Any], url: str, evidence: Path, run_id: str) -> Iterator[None]:
    """The bench, as a process of its own, up before the body runs and gone after it."""
    root = str(share.PACKAGE.parent)
    python_path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    process = subprocess.Popen(
        [sys.executable, "-m", "rig.node.bench_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": python_path},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        order = {"bench": str(path), "overlay": overlay, "url": url, "evidence": str(evidence), "run": run_id}
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            heard, _, _ = select.select([process.stdout], [], [], BENCH_START_S)
            told = (
                json.loads(process.stdout.readline())
                if heard
                else {"error": f"it said nothing for {BENCH_START_S:g} s"}
            )
        except (OSError, ValueError):
            told = {"error": "the bench process did not come up; its messages stand above"}
        except KeyboardInterrupt:
            process.terminate()  # it may be waiting for a broker that is not there
            raise
        if "error" in told:
            if told.get("misuse"):
                raise BadRun(str(told["error"]))
            raise BusError("bench process", str(told["error"]).rstrip("."), str(told.get("advice", "")))
        yield
    finally:
        with ExitStack() as stack:
            stack.callback(process.stdout.close)
            with suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(BENCH_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
