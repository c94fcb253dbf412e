"""Which room may import which: the arrows of the architecture, read from the code's own imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A -> B: A may import B.  Everything may import itself; nothing else may be imported.
ARROWS: dict[str, set[str]] = {
    "devices.events": set(),
    "devices.wire": set(),
    "devices.trust": {"devices.wire"},
    "devices.model": {"devices.wire"},
    "devices.machines": {"devices.events", "devices.model", "devices.trust", "devices.wire"},
    "rig.world": {"devices.wire"},
    "rig.ports": {"rig.world", "devices.wire", "devices.machines"},
    "rig.host": {"rig.ports", "devices.events", "devices.machines", "devices.trust", "devices.wire", "devices.model"},
    "rig.bus": set(),
    "rig.node": {
        "rig.host", "rig.bus", "rig.ports", "rig.world",
        "devices.events", "devices.machines", "devices.trust", "devices.model", "devices.wire",
    },
    "rig.evidence": {"rig.bus", "devices.events", "devices.wire"},
    "rig.keywords": {"rig.bus", "rig.evidence", "devices.events", "devices.wire"},
    "rig.gbcs": {"devices.machines", "devices.trust", "devices.model", "devices.wire"},
    "rig.perf": {"rig.gbcs", "devices.events", "devices.machines", "devices.model", "devices.trust", "devices.wire"},
}  # fmt: skip
# Who alone may import a library.
ALONE: dict[str, set[str]] = {
    "serial": {"rig.ports"},
    "gpiozero": {"rig.ports"},
    "smbus2": {"rig.ports"},
    "gpiod": {"rig.ports"},
    "lgpio": {"rig.ports"},
    "paho": {"rig.bus"},
    "amqtt": {"rig.bus"},
    "robot": {"rig.keywords", "rig.evidence", "rig.perf", "rig"},
    "cryptography": {"devices.trust", "rig.perf"},
}
# What belongs to no room: where the suites and bench files lie, how far long work is, what commands end with,
# how children are started, how YAML is read.
SHARED = {"rig.share", "rig.progress", "rig.exits", "rig.child", "rig.yaml_text"}
# Where ports may look into the machines' room: the event dataclasses and nothing else.
NARROW = {("rig.ports", "devices.machines"): {"devices.machines.core"}}


def room_of(module: str) -> str:
    """The room of a dotted module; what lies in ``rig`` itself is the command line's room, ``rig``."""
    parts = module.split(".")
    room = ".".join(parts[:2])
    return room if room in ARROWS else parts[0]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    package = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level]
                yield node.lineno, ".".join([*base, *([node.module] if node.module else [])])
            elif node.module:
                yield node.lineno, node.module
                yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


FILES = sorted([*(ROOT / "devices").rglob("*.py"), *(ROOT / "rig").rglob("*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_the_arrows_allow(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    room = room_of(module)
    wrong = []
    for line, imported in imports(path):
        top = imported.split(".")[0]
        if top in ALONE and room not in ALONE[top]:
            wrong.append(f"line {line}: {imported} (only {', '.join(sorted(ALONE[top]))} may)")
        if top not in ("rig", "devices") or room not in ARROWS:
            continue
        if imported in SHARED or imported.rsplit(".", 1)[0] in SHARED:
            continue
        other = room_of(imported)
        if other in ("rig", "devices") and imported in ("rig", "devices"):
            continue
        if other != room and other not in ARROWS[room]:
            wrong.append(f"line {line}: {imported} ({room} may import {', '.join(sorted(ARROWS[room])) or 'no room'})")
        narrow = NARROW.get((room, other))
        if narrow and not any(imported == one or imported.startswith(one + ".") for one in narrow):
            wrong.append(f"line {line}: {imported} (only {', '.join(narrow)})")
    assert not wrong, "\n".join(wrong)


def test_every_package_says_what_lives_there() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.name == "__init__.py"
        and "ust not live here" not in (ast.get_docstring(ast.parse(path.read_text())) or "")
    ]
    assert not silent


def test_processes_of_our_own_are_started_in_one_place() -> None:
    starts = {
        str(path.relative_to(ROOT))
        for path in FILES
        if "Popen" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Popen")
    }
    assert starts == {"rig/child.py"}
