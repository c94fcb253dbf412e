"""xUnit from records, in Robot's form: suites within suites, a test case a test, and what became of each.

What broke in the bench and what was stopped stand as errors; INCONCLUSIVE too, so that somebody sees to it.  What is
neither passed nor failed is ``skipped`` by its own name in ``type``, for xUnit has no other word.  Each case has its
verdict, basis and requirements as properties.

Must not live here: which verdict becomes which element (``verdicts``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from rig.evidence.record import Record
from rig.evidence.verdicts import XUNIT_ELEMENT, Verdict

__all__ = ["document", "write"]

TYPES = {Verdict.FAIL: "AssertionError", Verdict.SKIPPED: "SkipExecution"}
"""Robot's own words where it has one; else the verdict's name."""
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


def document(records: Sequence[Record]) -> ElementTree.Element:
    """The xUnit document of a run."""
    tops = sorted({record.suites[0] for record in records if record.suites}, key=str)
    if len(tops) == 1:
        return _suite(tops, records)
    whole = ElementTree.Element("testsuite", _counts("Rig", records))
    whole.extend(_suite([top], [record for record in records if record.suites[:1] == (top,)]) for top in tops)
    return whole


def write(path: Path, records: Sequence[Record]) -> None:
    """Write the xUnit document of a run.  Raises :class:`OSError` where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = ElementTree.ElementTree(document(records))
    ElementTree.indent(tree, "")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _suite(path: Sequence[str], records: Sequence[Record]) -> ElementTree.Element:
    """The suite at ``path`` with what is in it, in the order in which it ran."""
    depth, suite = len(path), ElementTree.Element("testsuite", _counts(path[-1], records))
    inner: dict[str, list[Record]] = {}
    for record in records:
        if len(record.suites) > depth:
            inner.setdefault(record.suites[depth], []).append(record)
        else:
            suite.append(_case(record))
    suite.extend(_suite([*path, name], inside) for name, inside in inner.items())
    verdicts = Counter(record.outcome for record in records)
    _properties(suite, [(verdict.value, str(verdicts[verdict])) for verdict in Verdict])
    return suite


def _counts(name: str, records: Sequence[Record]) -> dict[str, str]:
    elements = Counter(XUNIT_ELEMENT[record.outcome] for record in records)
    return {
        "name": _writable(name),
        "tests": str(len(records)),
        "errors": str(elements["error"]),
        "failures": str(elements["failure"]),
        "skipped": str(elements["skipped"]),
        "time": f"{sum(record.elapsed_s for record in records):.3f}",
        "timestamp": min((record.started for record in records), default=""),
    }


def _case(record: Record) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_writable(".".join(record.suites)),
        name=_writable(record.name),
        time=f"{record.elapsed_s:.3f}",
    )
    properties = [("verdict", record.verdict)]
    properties += [("basis", f"{one['kind']}: {one['source']}") for one in record.basis]
    properties += [("requirement", one) for one in record.requirements]
    properties += [("bench broke", record.bench_broke)] if record.bench_broke else []
    _properties(case, properties)
    element = XUNIT_ELEMENT[record.outcome]
    if element:
        message = record.reason if record.outcome is Verdict.FAIL else f"{record.verdict}: {record.reason}"
        ElementTree.SubElement(
            case, element, message=_writable(message), type=TYPES.get(record.outcome, record.verdict)
        )
    return case


def _properties(parent: ElementTree.Element, pairs: Sequence[tuple[str, str]]) -> None:
    holder = ElementTree.SubElement(parent, "properties")
    for name, value in pairs:
        ElementTree.SubElement(holder, "property", name=_writable(name), value=_writable(value))


def _writable(text: str) -> str:
    return UNWRITABLE.sub("?", text)
