"""The bench as a process: ``python -m rig.node.bench_process`` reads its order from standard input and serves the bus.

The first line of standard input is a JSON object: ``bench`` (path), ``overlay``, ``url`` of the broker, ``evidence``
(folder or null), ``run``.  One JSON line on standard output says that the bench is up, or what is wrong.  The process
ends when standard input does, so it never outlives whoever started it, and its outputs go safe on the way out.

Must not live here: verbs (``commands``), order (``executor``).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rig import child
from rig.bus.client import BusClient, Tls
from rig.bus.errors import BusError, of_system
from rig.bus.jitter import jitter
from rig.host.host import HostError
from rig.node import assembly
from rig.node.agent import NodeAgent
from rig.node.bench_file import Bench, BenchFileError
from rig.node.clocks import follows_real_time, make_clock
from rig.node.commands import Commands
from rig.node.executor import Executor
from rig.node.journal import Journal
from rig.node.name_claim import SETTLE_S
from rig.node.recorder import Recorder
from rig.ports.protocols import PortError, PortMissing

__all__ = ["main"]


def main() -> int:
    """Serve until standard input ends; the exit status."""
    child.end_soon()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="bench: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Robot; the bench ends when its parent does
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # in good order: outputs safe, files gone
    order = sys.stdin.readline()
    if not order:
        return 0  # whoever started it is gone already
    try:
        return _serve(json.loads(order))
    except (BenchFileError, PortMissing) as problem:
        _say({"error": str(problem), "misuse": True})
    except (BusError, PortError) as problem:
        _say({"error": f"{problem.where}: {problem.problem}", "advice": problem.advice})
    except OSError as problem:
        _say({"error": of_system(problem)})
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end has begun
    return 2


def _serve(order: dict[str, Any]) -> int:
    evidence = Path(order["evidence"]) if order.get("evidence") else None
    overlay = order.get("overlay") or {}
    commands = Commands(Path(order["bench"]), overlay, evidence)
    with tempfile.TemporaryDirectory(prefix="rig-") as scratch:
        executor = Executor(
            commands.bench.name,
            journal=Journal(Path(scratch) / "journal.jsonl"),
            on_expired=commands.safe,
            idle=commands.idle,
        )
        commands.serve(executor)
        agents = [_agent(commands, node, order, executor) for node in commands.nodes]
        try:
            for agent in agents:
                # On a broker of our own nobody else can be.
                agent.connect(settle_s=0.0 if commands.bench.broker == "embedded" else SETTLE_S)
            _try_out(commands.bench, overlay)  # not before the bench is ours alone: it may open what is real
            for agent in agents:
                agent.appear()
            threading.Thread(target=_watch_parent, args=(executor, commands), daemon=True).start()
            _say({"ready": True, "nodes": commands.nodes})
            executor.run()
        finally:
            if commands.premises is not None:
                commands.premises.close()
            _leave(agents)
    return 0


def _leave(agents: Sequence[NodeAgent]) -> None:
    """Have the nodes say goodbye side by side: each may wait for a broker that says nothing."""
    with ThreadPoolExecutor(max(1, len(agents))) as pool:
        list(pool.map(NodeAgent.stop, agents))


def _try_out(bench: Bench, overlay: dict[str, Any]) -> None:
    """Put the premises together once and take them apart again: what the bench file gets wrong (a setting, a fault, a
    driver, a key folder) is said now, in one sentence, and not test by test."""
    clock = make_clock(bench.clock)
    try:
        premises = assembly.build(bench, clock, Recorder(clock, bench.civil_start, None), overlay)
        try:
            if not follows_real_time(clock) and "stores" not in bench.trust:  # nothing real moves, nothing is kept
                premises.start()
                clock.run_due()
        finally:
            premises.close()
    except BenchFileError:
        raise
    except (ValueError, HostError) as problem:
        raise BenchFileError(bench.source, "a bench that can be put together", str(problem)) from None


def _agent(commands: Commands, node: str, order: dict[str, Any], executor: Executor) -> NodeAgent:
    tls = None if commands.bench.tls is None else Tls.of_folder(commands.bench.tls, node)
    client = BusClient(order["url"], f"{commands.bench.name}-{node}", tls=tls, jitter=jitter())
    caps = {"capabilities": list(commands.bench.capabilities)}
    handlers, owner = commands.handlers(), str(order.get("owner", ""))
    return NodeAgent(commands.bench.name, node, client, executor, handlers, caps, _software(), owner)


def _software() -> str:
    try:
        return f"rig {version('gb-smart-meter-rig')}"
    except PackageNotFoundError:
        return "rig (not installed)"


def _watch_parent(executor: Executor, commands: Commands) -> None:
    """Standard input ends when the parent does, however it dies; a command that lets time pass is given up then."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    executor.stop()
    commands.stop()


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
