"""What pytest does in a copied tree: notes which functions each test calls, or runs the tests that it is told to.

``RIG_MUTATION_MAP`` names the file for durations and functions by test; ``RIG_MUTATION_TESTS`` names a file with the
tests to run, one ``node id<TAB>seconds allowed`` a line, in that order.

Must not live here: which tests are chosen, and what the result means.
"""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import pytest

from tests.mutation.trace import FOLDER, ROOT, Tracer

MAP, TESTS = "RIG_MUTATION_MAP", "RIG_MUTATION_TESTS"


def pytest_configure(config: pytest.Config) -> None:
    """Register what the environment asks for."""
    if os.environ.get(MAP):
        config.pluginmanager.register(_Mapping(Path(os.environ[MAP]), config.rootpath))
    if os.environ.get(TESTS):
        config.pluginmanager.register(_Chosen(Path(os.environ[TESTS])))


class _Mapping:
    """Notes functions, and the seconds of the processor's time that each test takes with all that it starts.

    How long it took by the clock would say how busy the machine was.

    What a test calls itself is its own; what is called while fixtures are set up is its file's, for others may share
    them.  So it is with the processes that either starts.
    """

    def __init__(self, out: Path, root: Path) -> None:
        self._out = out
        self._children = out.with_suffix(".children")
        self._children.mkdir(parents=True, exist_ok=True)
        os.environ |= {FOLDER: str(self._children), ROOT: str(root)}
        self._calls: dict[str, set[str]] = defaultdict(set)
        self._seconds: dict[str, float] = {}
        self._ran: set[str] = set()
        self._now: set[str] = set()
        self._tracer = Tracer(root, lambda name: self._now.add(name))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        yield from self._traced(item.nodeid.partition("::")[0])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        yield from self._traced(item.nodeid)

    def _traced(self, whose: str) -> Generator[None]:
        self._now = self._calls[whose]
        self._tracer.forget()
        self._tracer.start()
        try:
            yield
        finally:
            self._tracer.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        before = sum(os.times()[:4])
        try:
            return (yield)
        finally:
            if item.nodeid in self._ran:
                self._seconds[item.nodeid] = sum(os.times()[:4]) - before

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self._ran.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        for path in self._children.iterdir():
            test, *names = path.read_text("utf-8").splitlines()
            node, _, phase = test.rpartition(" ")
            self._calls[node if phase == "(call)" else node.partition("::")[0]].update(names)
        calls = {whose: sorted(names) for whose, names in self._calls.items() if names}
        self._out.write_text(json.dumps({"seconds": self._seconds, "calls": calls}), "utf-8")


class _Chosen:
    """Runs the chosen tests in the order given, each for as long as it may take."""

    def __init__(self, listed: Path) -> None:
        lines = (line.split("\t") for line in listed.read_text("utf-8").splitlines())
        self._allowed = {node: float(seconds) for node, seconds in lines}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        place = {node: number for number, node in enumerate(self._allowed)}
        others = [item for item in items if item.nodeid not in place]
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])
        config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        before = signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, self._allowed[item.nodeid])
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _too_long(_: int, __: FrameType | None) -> None:
    pytest.fail("took several times as long as without the mutant")
