"""What is waited for, drawn or worded is told by somebody, and has the fields that its form names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from devices import events
from devices.events.commands import CommandExecuted
from devices.events.parties import LocalCopyReceived, OutageTold, PartyReceived
from devices.events.supply import FlowChecked
from devices.events.terminals import HubsFound, JobDone, TerminalConnected
from devices.events.tunnels import TunnelClosed, TunnelOpened
from rig.evidence.chart import MARKS
from rig.keywords.lines import FORMS
from rig.keywords.session import OBSTACLES, Matcher

ROOT = Path(__file__).resolve().parent.parent.parent
TELLERS = ("devices/machines", "rig/host", "rig/node", "rig/ports")
READERS = ("rig/keywords", "rig/evidence")
NAMES = {cls.__name__: cls for cls in events.KINDS.values()}


def trees(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def made(tree: ast.AST) -> Iterator[str]:
    """Names of classes that are called, or handed to a call that is no mere look (the callee makes one)."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        looks = isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass")
        for part in (node.func, *([] if looks else node.args)):
            if isinstance(part, ast.Name):
                yield part.id


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("devices.events"):
            yield from (one.name for one in node.names)


TOLD = {NAMES[name] for _, tree in trees(*TELLERS) for name in made(tree) if name in NAMES}
READ = {NAMES[name] for _, tree in trees(*READERS) for name in imported(tree) if name in NAMES}


def test_every_event_is_told_by_somebody() -> None:
    assert {cls.kind for cls in NAMES.values()} - {cls.kind for cls in TOLD} == set()


def test_what_is_waited_for_drawn_or_worded_is_told_by_somebody() -> None:
    assert {*MARKS, *FORMS, *OBSTACLES} <= READ
    assert {cls.kind for cls in READ - TOLD} == set()


@pytest.mark.parametrize(
    ("cls", "form"),
    [*((cls, form) for cls, (_, form) in MARKS.items()), *FORMS.items()],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_form_names_fields_that_the_event_has(cls: type[events.Event], form: str) -> None:
    for name in (name for _, name, _, _ in Formatter().parse(form) if name):
        assert {name, name.removesuffix("_name")} & events.names(cls)  # from_name: the device behind ``from``


TAPPED = {NAMES[name] for _, tree in trees("rig/host", "rig/node", "rig/ports") for name in made(tree) if name in NAMES}
PARTIES = {PartyReceived, LocalCopyReceived, OutageTold}
"""What parties behind the WAN made of octets that came to them: those are part of the bench."""
REPORTS = {
    HubsFound: "what Find Hubs holds against the beacons that came to the terminal's radio",
    JobDone: "is held against the answer at the terminal's tap, which is what is waited for",
    TerminalConnected: "only where no frame let the terminal in: then it is the terminal that lies",
    TunnelOpened: "only where no frame granted a tunnel: then it is this device that lies",
    TunnelClosed: "from when on a tunnel must be granted anew",
    FlowChecked: "Flow Check Should Be Reported says in its name what it rests on",
    CommandExecuted: "Execution Should Be Reported Once says in its name what it rests on",
}
"""What keywords look for in a device's own trace, each with why that judges nothing or says so."""


def test_keywords_wait_for_what_is_tapped_and_for_nothing_that_a_device_says_of_itself() -> None:
    calls = (node for _, tree in trees("rig/keywords") for node in ast.walk(tree) if isinstance(node, ast.Call))
    waited = {
        NAMES[node.args[0].id] for node in calls
        if isinstance(node.func, ast.Name) and node.func.id == "Matcher"
        and isinstance(node.args[0], ast.Name) and node.args[0].id in NAMES
    }  # fmt: skip
    assert {cls.__name__ for cls in waited - TAPPED - PARTIES} == {cls.__name__ for cls in REPORTS}


def test_readers_know_events_by_class() -> None:
    """No dotted kind stands in a reader's code as a text: it would not be found when the kind changes."""
    kinds = {kind for kind in events.KINDS if "." in kind}
    texts = {
        (str(path.relative_to(ROOT)), node.value)
        for path, tree in trees(*READERS, "rig/host", "rig/node")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in kinds
    }
    assert texts == set()


def test_a_wait_for_a_field_that_the_event_has_not_is_refused() -> None:
    good = Matcher(NAMES["PartyReceived"], "supplier", {"from": "00", "counter": 1})
    assert good.as_json() == {
        "kind": "party.received", "device": "supplier", "fields": {"from": "00", "counter": 1},
    }  # fmt: skip
    with pytest.raises(events.EventError, match=r"a wait for party.received: expected one of .*, got 'conter'"):
        Matcher(NAMES["PartyReceived"], "supplier", {"conter": 1})


def test_what_the_recorder_adds_to_a_message_may_be_waited_for() -> None:
    Matcher(NAMES["MessageSent"], "hub", {"use_case": "ECS42", "device": "hub"})
