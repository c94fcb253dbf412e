"""Which suites, tests and tags there are, and whether what a command line names is among them.

Must not live here: running anything (``rig.run``), printing lists (``rig.listing``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from robot.api import ExecutionResult, TestSuite
from robot.errors import DataError  # type: ignore[import-untyped]
from robot.libdocpkg import LibraryDocumentation  # type: ignore[import-untyped]
from robot.utils import Matcher  # type: ignore[import-untyped]

from rig import requirements, share
from rig.bench_up import BadRun, choose_from

__all__ = [
    "check",
    "documentation",
    "libraries",
    "nothing_excluded",
    "read",
    "reruns",
    "shipped_suites",
    "suite_path",
    "suites",
    "tags",
    "tests",
]

RESOURCE = "rig/rig.resource"
"""How a suite, wherever it lies, imports the keywords of the rig; Robot finds it beside the package."""
OPERATORS = re.compile(r"AND|OR|NOT|&")
"""What joins tags into a pattern (Robot's user guide, 'Tag patterns')."""


def shipped_suites() -> list[str]:
    """The names of the suites that come with the rig."""
    folder = share.folder("robot_suites")
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.robot")))


def suite_path(name: str) -> Path:
    """The suite called ``name``: a path, or one of those shipped.  Raises :class:`BadRun`."""
    folder = share.folder("robot_suites")
    for path in (Path(name), folder / name, folder / f"{name}.robot"):
        if path.exists():
            return path.absolute()
    raise BadRun(f"no suite {name!r}: give a path, or one of {choose_from(name, shipped_suites())}")


def reruns(output: Path) -> list[Path]:
    """The suites that the run of an ``output.xml`` was given, or none where that cannot be told: then Robot says what
    is wrong with the file."""
    try:
        top = ExecutionResult(str(output)).suite
    except DataError:
        return []
    roots = [top] if top.source else list(top.suites)
    found = [Path(one.source) for one in roots if one.source and Path(one.source).exists()]
    return found if len(found) == len(roots) else []


def read(paths: Iterable[Path]) -> Any:
    """The suites below ``paths`` as Robot reads them.  Raises :class:`BadRun`."""
    try:
        return TestSuite.from_file_system(*map(str, paths), allow_empty_suite=True)
    except DataError as problem:
        raise BadRun(str(problem).rstrip(".")) from None


def suites(top: Any) -> list[Any]:
    """All suites in ``top``, itself first."""
    return [top, *(one for inner in top.suites for one in suites(inner))]


def tests(top: Any) -> list[Any]:
    """All tests in ``top``, in order."""
    return list(top.all_tests)


def tags(top: Any) -> list[str]:
    """All tags in ``top``, each once."""
    found = {str(tag).casefold(): str(tag) for test in tests(top) for tag in test.tags}
    return sorted(found.values(), key=str.casefold)


def libraries() -> list[str]:
    """What there is of keywords: the resource, and the libraries that it brings along."""
    text = (share.PACKAGE.parent / RESOURCE).read_text(encoding="utf-8")
    return [RESOURCE, *re.findall(r"^Library +(\S+)", text, re.MULTILINE)]


def documentation(name: str) -> Any:
    """Robot's documentation of one of :func:`libraries`."""
    return LibraryDocumentation(str(share.PACKAGE.parent / name) if name == RESOURCE else name)


def check(top: Any, include: Sequence[str], test: Sequence[str], suite: Sequence[str]) -> None:
    """Raise :class:`BadRun` for the first tag, test or suite that nothing in ``top`` answers to: a slip in one of
    several would else leave tests out without a word."""
    known_tags = tags(top)
    for pattern in include:
        for atom in _atoms(pattern):
            if not _any(atom, known_tags, ignore="_"):
                raise BadRun(_no_tag(atom, known_tags))
    for pattern in test:
        if not _any(pattern, _names(tests(top))):
            raise BadRun(f"no test {pattern!r}: {_listed(pattern, [str(one.name) for one in tests(top)], 'tests')}")
    for pattern in suite:
        if not _any(pattern, _names(suites(top)), ends=True):
            raise BadRun(f"no suite {pattern!r}: {_listed(pattern, [str(one.name) for one in suites(top)], 'suites')}")


def nothing_excluded(top: Any, exclude: Sequence[str]) -> list[str]:
    """What to say of the tags to exclude that no test in ``top`` has.  Robot allows them, and they exclude nothing."""
    known = tags(top)
    return [
        f"--exclude {pattern} leaves out nothing by {atom!r}: {_no_tag(atom, known)}"
        for pattern in exclude
        for atom in _atoms(pattern)
        if not _any(atom, known, ignore="_")
    ]


def _atoms(pattern: str) -> Iterator[str]:
    """The tags that a pattern is made of."""
    return filter(None, (part.strip() for part in OPERATORS.split(pattern)))


def _names(items: Iterable[Any]) -> list[str]:
    return [name for one in items for name in (str(one.name), str(one.full_name))]


def _any(pattern: str, names: Sequence[str], ignore: str = "", ends: bool = False) -> bool:
    """Whether a pattern of Robot's fits one of the names; with ``ends`` also the end of one, part by part."""
    fits: Callable[[str], bool] = Matcher(pattern, ignore=ignore).match
    tails = (".".join(name.split(".")[start:]) for name in names for start in range(name.count(".") + 1 if ends else 1))
    return any(fits(name) for name in tails)


def _no_tag(atom: str, known: Sequence[str]) -> str:
    kind, colon, row = atom.partition(":")
    if colon and kind.casefold() == "req":
        rows = {name.casefold(): name for name in requirements.rows()}
        shown = [tag for tag in known if tag.casefold().startswith("req:")]
        if row.casefold() in rows:
            return (
                f"no test here shows the requirement {rows[row.casefold()]}: there are {_listed(atom, shown, 'tags')}"
            )
        return f"no requirement {row!r}: {_listed(atom, shown, 'tags')}"
    alike = sorted(known, key=lambda tag: tag.partition(":")[1:2] != (colon,))
    return f"no test has the tag {atom!r}: {_listed(atom, alike, 'tags')}"


def _listed(name: str, known: Sequence[str], what: str) -> str:
    return f"{choose_from(name, known, most=12)}; `rig list {what}` has them all"
