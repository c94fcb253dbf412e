"""Which tests call which functions: written down once a test file, and again when that file has changed.

Must not live here: how calls are noticed (``trace``, ``plugin``), what is done with the knowledge (``trial``).
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.mutation.operators import MODULE, Mutant
from tests.mutation.plugin import MAP
from tests.mutation.tree import ROOT, Tree

__all__ = ["Coverage", "files_of_tests"]

_BATCH: Final = 5  # files that one pytest takes
_TIMEOUT_S: Final = 1800.0  # for a batch


def files_of_tests() -> list[str]:
    """Every file with tests, but those of the mutation sample itself."""
    found = (str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py")))
    return [name for name in found if not name.startswith("tests/mutation/")]


class Coverage:
    """The tests of the tree: which functions each calls, and the seconds of the processor's time that it takes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.seconds: dict[str, float] = {}
        self._tests: dict[str, set[str]] = defaultdict(set)  # function -> tests, or files of tests, that call it

    def record(self, trees: list[Tree]) -> None:
        """Run the test files that are new or have changed, and read what all of them call."""
        self._folder.mkdir(parents=True, exist_ok=True)
        missing = [name for name in files_of_tests() if not self._kept(name, ROOT).is_file()]
        batches = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
        free = list(trees)

        def run(batch: list[str]) -> None:
            tree = free.pop()
            self._run(tree, batch)
            free.append(tree)
            print(f"mapped {', '.join(batch)}", flush=True)

        with ThreadPoolExecutor(len(trees)) as pool:
            list(pool.map(run, batches))
        self._read(files_of_tests())

    def run(self, tree: Tree, files: list[str]) -> None:
        """Run some test files alone, and read what they call."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._run(tree, files)
        self._read(files)

    def _kept(self, name: str, root: Path) -> Path:
        digest = hashlib.sha256((root / name).read_bytes()).hexdigest()[:16]
        return self._folder / f"{name.replace('/', '.')}-{digest}.cpu.json"

    def _run(self, tree: Tree, batch: list[str]) -> None:
        out = tree.root.parent / "map.json"
        out.unlink(missing_ok=True)
        _, said = tree.pytest(*batch, environment={MAP: str(out)}, timeout_s=_TIMEOUT_S)
        if not out.is_file():
            raise RuntimeError(f"the tests in {batch} did not come to an end:\n{said[-2000:]}")
        found = json.loads(out.read_text("utf-8"))
        for name in batch:
            part = {
                kind: {whose: value for whose, value in of.items() if whose.partition("::")[0] == name}
                for kind, of in found.items()
            }
            self._kept(name, tree.root).write_text(json.dumps(part), "utf-8")

    def _read(self, files: Iterable[str]) -> None:
        for name in files:
            found = json.loads(self._kept(name, ROOT).read_text("utf-8"))
            self.seconds |= {node: float(seconds) for node, seconds in found["seconds"].items()}
            for whose, functions in found["calls"].items():
                for function in functions:
                    self._tests[function].add(whose)

    def of(self, mutant: Mutant) -> set[str]:
        """The tests that call the mutant's function; those of its module, and of the modules that import it, where it
        is in none."""
        if mutant.scope != MODULE:
            return self._nodes([f"{mutant.file}::{mutant.scope}"])
        files = {mutant.file, *_importers(mutant.file)}
        return self._nodes(name for name in self._tests if name.partition("::")[0] in files)

    def _nodes(self, functions: Iterable[str]) -> set[str]:
        callers: set[str] = set().union(*(self._tests.get(name, ()) for name in functions))
        return {node for node in self.seconds if node in callers or node.partition("::")[0] in callers}


def _importers(file: str) -> set[str]:
    """The modules of the product that import a module of it."""
    module = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return {name for name, imported in _imports().items() if module in imported}


def _imports() -> dict[str, set[str]]:
    if not _IMPORTS:
        for package in ("rig", "devices"):
            for path in sorted((ROOT / package).rglob("*.py")):
                _IMPORTS[str(path.relative_to(ROOT))] = set(_imported(ast.parse(path.read_bytes())))
    return _IMPORTS


def _imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


_IMPORTS: Final[dict[str, set[str]]] = {}
