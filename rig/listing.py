"""`rig list`: what there is to run, to test on, to write and to change, found without reading code.

Must not live here: what any of it does.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Any, get_type_hints

from devices.machines.access_control_broker import BrokerSettings
from devices.machines.comms_hub import HubSettings
from devices.machines.esme_settings import EsmeSettings
from devices.machines.faults import FAULTS
from devices.machines.gpf import GpfSettings
from devices.machines.gsme import GsmeSettings
from devices.machines.hht import HhtSettings
from devices.machines.ihd import IhdSettings
from devices.machines.supplier import SupplierSettings
from devices.model.use_cases import all_use_cases
from rig import requirements, selection, share
from rig.bench_up import BadRun, choose_from
from rig.exits import Exit

__all__ = ["LISTS", "SETTINGS", "add_parser", "main"]

Rows = Iterator[tuple[str, ...]]
"""The first row names the columns."""

SETTINGS: Mapping[str, type[Any]] = {
    "supplier": SupplierSettings,
    "network_operator": SupplierSettings,
    "access_control_broker": BrokerSettings,
    "comms_hub": HubSettings,
    "esme": EsmeSettings,
    "gsme": GsmeSettings,
    "gpf": GpfSettings,
    "hht": HhtSettings,
    "ihd": IhdSettings,
}
"""Kind of device to what its ``settings`` in a bench file fill."""
FAULTY = {"ESME": "esme", "GSME": "gsme", "CHF": "hub", "HHT": "hht"}
"""Kind of device to its name on the shipped benches."""
FAULT = re.compile(r".*fault=")
"""What stands before the name of a fault where it is set."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig list` on the command line."""
    parser = commands.add_parser(
        "list",
        help="list suites, tests, tags, benches, keywords, use cases, settings, faults",
        description="List what there is.  Suites are those of this project, or those that are named.",
        epilog="examples: rig list tests contactor_valve; rig list keywords --html pages; rig list settings esme",
    )
    parser.add_argument("what", metavar="WHAT", help=f"what to list: {', '.join(LISTS)}")
    parser.add_argument(
        "of",
        nargs="*",
        metavar="OF",
        help="suites, tests, tags: of these suites; settings: of these kinds of device; faults: of these devices, "
        "or by name; use-cases: by name, code or device; keywords: by name or library; benches: by name",
    )
    parser.add_argument(
        "--html", type=Path, metavar="DIR", help="keywords: write a page for each library there as well"
    )
    parser.set_defaults(handler=main)


def main(args: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    if args.html is not None and args.what != "keywords":
        raise BadRun(f"--html goes with `rig list keywords`, not with {args.what}")
    if args.what not in LISTS:
        raise BadRun(f"no list of {args.what!r}: {choose_from(args.what, [*LISTS])}")
    rows = list(LISTS[args.what](args.of))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for *first, last in rows:
        print("  ".join([*(f"{text:<{width}}" for text, width in zip(first, widths, strict=True)), last]).rstrip())
    if args.html is not None:
        _write_pages(args.html)
    return Exit.GOOD


def _only(of: Sequence[str], what: str, rows: Rows, names: Callable[[tuple[str, ...]], Iterable[str]]) -> Rows:
    """The head, and of the other rows those that have one of the names asked for; all where none is.

    Raises :class:`BadRun` for a name that no row has.
    """
    head, *others = rows
    of_row = [{name.casefold(): name for name in names(row)} for row in others]
    known = {form: name for one in of_row for form, name in one.items()}
    for name in of:
        if name.casefold() not in known:
            raise BadRun(f"no {what} {name!r}: {choose_from(name, [*known.values()], most=12)}")
    wanted = {name.casefold() for name in of}
    yield head
    yield from (row for row, one in zip(others, of_row, strict=True) if not wanted or wanted & one.keys())


def _suites(of: list[str]) -> Rows:
    yield "suite", "tests", "what it shows"
    for suite in selection.suites(_read(of)):
        if suite.tests or suite.suites:
            yield _place(suite), str(suite.test_count), _first(suite.doc)


def _tests(of: list[str]) -> Rows:
    yield "test", "suite", "tags"
    for test in selection.tests(_read(of)):
        yield str(test.name), _place(test.parent), " ".join(map(str, test.tags))


def _tags(of: list[str]) -> Rows:
    yield "tag", "tests", "what it means"
    top, rows = _read(of), {f"req:{name}".casefold(): row.claim for name, row in requirements.rows().items()}
    count = Counter(str(tag).casefold() for test in selection.tests(top) for tag in test.tags)
    for tag in selection.tags(top):
        yield tag, str(count[tag.casefold()]), str(rows.get(tag.casefold(), _meaning(tag)))


def _meaning(tag: str) -> str:
    kind, _, name = tag.partition(":")
    return f"runs on a bench that has {name}" if kind.casefold() == "bench" else ""


def _benches(of: list[str]) -> Rows:
    return _only(of, "bench", _every_bench(), lambda row: row[:1])


def _every_bench() -> Rows:
    yield "bench", "what it is"
    for path in sorted((share.folder("wiring") / "benches").glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        said = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
        yield path.stem, said.partition(". ")[0].rstrip(".")


def _keywords(of: list[str]) -> Rows:
    return _only(of, "keyword or library", _every_keyword(), lambda row: row[:2])


def _every_keyword() -> Rows:
    yield "keyword", "library", "what it does"
    for name in selection.libraries():
        for keyword in selection.documentation(name).keywords:
            yield (
                str(keyword.name),
                name if name == selection.RESOURCE else name.rpartition(".")[2],
                str(keyword.short_doc),
            )


def _use_cases(of: list[str]) -> Rows:
    return _only(of, "use case or device", _every_use_case(), lambda row: [*row[:2], *row[2].split()])


def _every_use_case() -> Rows:
    yield "use case", "code", "devices", "what it is"
    for case in sorted(all_use_cases(), key=lambda one: (one.use_case or "~", one.code)):
        yield case.use_case or "-", f"0x{case.code:04x}", " ".join(case.devices), case.title


def _settings(of: list[str]) -> Rows:
    yield "--set devices.NAME.settings. ...", "default", "what it is"
    for kind in of:
        if kind not in SETTINGS:
            raise BadRun(f"no kind of device {kind!r}: {choose_from(kind, [*SETTINGS])}")
    for kind in of or SETTINGS:
        yield f"{kind}:", "", ""
        yield from _fields(SETTINGS[kind], "  ")


def _fields(settings: type[Any], prefix: str) -> Rows:
    """The settings of a dataclass, those of its parts below their names, with what the source says beside each."""
    kinds, said = get_type_hints(settings), _comments(settings)
    for field in fields(settings):
        kind = kinds[field.name]
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _fields(kind, f"{prefix}{field.name}.")
            continue
        made = field.default if field.default_factory is MISSING else field.default_factory()
        yield f"{prefix}{field.name}", "-" if made is MISSING else _value(made), said.get(field.name, "")


def _value(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    text = str(list(value) if isinstance(value, tuple | frozenset) else value)
    plain = {"True": "true", "False": "false", "None": "null"}.get(text, text)
    return plain if len(plain) <= 40 else f"{plain[:37]}..."


def _comments(settings: type[Any]) -> dict[str, str]:
    """Field to the comment behind it, of a class and those that it is made from."""
    found: dict[str, str] = {}
    for one in reversed(settings.__mro__):
        if not is_dataclass(one):
            continue
        lines = dedent(inspect.getsource(one)).splitlines()
        (body,) = ast.parse("\n".join(lines)).body
        assert isinstance(body, ast.ClassDef)
        for statement in body.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                last = statement.end_lineno or statement.lineno
                found[statement.target.id] = lines[last - 1].partition("  # ")[2]
    return found


def _faults(of: list[str]) -> Rows:
    return _only(of, "fault or device", _every_fault(), lambda row: [FAULT.sub("", row[0]), row[0].split(".")[1]])


def _every_fault() -> Rows:
    yield "--set", "requirement", "judged by", "what the device does"
    for one in FAULTS.values():
        yield f"devices.{FAULTY[one.device]}.fault={one.name}", one.requirement, one.judged_by, one.doc


LISTS: Mapping[str, Callable[[list[str]], Rows]] = {
    "suites": _suites,
    "tests": _tests,
    "tags": _tags,
    "benches": _benches,
    "keywords": _keywords,
    "use-cases": _use_cases,
    "settings": _settings,
    "faults": _faults,
}


def _read(of: list[str]) -> Any:
    return selection.read([selection.suite_path(name) for name in of] or [share.folder("robot_suites")])


def _place(suite: Any) -> str:
    """How `rig run` takes a suite: its path below those that are shipped, or where it lies."""
    source, folder = Path(suite.source), share.folder("robot_suites")
    if source == folder:
        return "(all)"
    return str(source.relative_to(folder).with_suffix("") if source.is_relative_to(folder) else source)


def _first(text: str) -> str:
    return text.strip().partition("\n")[0]


def _stem(name: str) -> str:
    return Path(name).stem if name == selection.RESOURCE else name.rpartition(".")[2]


def _write_pages(folder: Path) -> None:
    """A page of Robot's for each library, and for the resource that brings them along."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in selection.libraries():
        page = folder / f"{_stem(name)}.html"
        selection.documentation(name).save(str(page))
        print(f"written: {page}")
