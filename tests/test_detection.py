"""Faulty devices made from the good ones are caught: each by the test of the requirement that it breaks.

A suite that passes a device from this table is no suite.

The quick suite takes a sample of the faults that are known for long (``KNOWN``), drawn by ``RIG_DETECTION_SEED``, and
every other one; the whole table runs by marker: ``./rigw test -m soak -k detection``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection
from pathlib import Path

import pytest
from robot.api import ExecutionResult, ResultVisitor

from devices.machines.faults import FAULTS, Fault
from rig.evidence import record as records
from rig.evidence.record import Record
from tests.running import finished

Verdict = tuple[int, tuple[str, str, set[str]]]
JUDGED_BY = {
    "clause": {"CLAUSE", "PUBLISHED_MESSAGE"},
    "declaration": {"DECLARATION"},
    "a default of ours": {"OWN_DEFAULT"},
}
"""What a fault says that it is caught by, to the basis of what was missed."""
NAMES = {"ESME": "esme", "GSME": "gsme", "CHF": "hub", "HHT": "hht"}
# Fault -> the suite and the test that must catch it.
CAUGHT_BY = {
    "accepts-replays": ("security/01_refusals", "Replayed Command Is Refused"),
    "reports-off-when-on": ("contactor_valve", "Enable Closes The Contact"),
    "forgets-counters-over-power-cut": ("outage", "Supply State And Replay Protection Outlive An Outage"),
    "answers-for-another": ("security/01_refusals", "Command For Another Device Is Refused"),
    "skips-signature-check": ("security/01_refusals", "Wrongly Signed Command Is Refused"),
    "skips-mac-check": ("security/01_refusals", "Command With A Wrong MAC Is Refused"),
    "ignores-role": ("security/01_refusals", "Command From A Party Without The Role Is Refused"),
    "closes-when-armed": ("contactor_valve", "Arm Moves Nothing Until The Consumer Acts"),
    "stays-armed-after-button": ("contactor_valve", "Arm Moves Nothing Until The Consumer Acts"),
    "wrong-outage-code": ("outage", "Long Outage Raises The Long Alert"),
    "loses-supply-state-over-outage": ("outage", "A Closed Contact Is Closed After A Week Without Supply"),
    "responds-with-stale-counter": ("installation/01_no_wan", "Install A Premises With No WAN"),
    "arms-without-a-word": ("contactor_valve/01_load_switch", "Arm Moves Nothing Until The Consumer Acts"),
    "moves-nothing": ("contactor_valve/01_load_switch", "Enable Closes The Contact"),
    "drives-twice": ("contactor_valve/01_load_switch", "Enable Closes The Contact"),
    "answers-on-another-endpoint": ("installation/01_no_wan", "Install A Premises With No WAN"),
    "accepts-tampered": ("security/01_refusals", "Tampered Command Is Refused"),
    "counts-forgeries": ("security/01_refusals", "A Forgery Uses Up No Counter"),
    "opens-from-afar": ("contactor_valve/02_gas_valve", "Arm Opens Nothing Until The Consumer Acts"),
    "opens-unarmed": ("contactor_valve/02_gas_valve", "Button Of A Shut Supply Does Nothing"),
    "skips-flow-check": ("contactor_valve/02_gas_valve", "Arm Opens Nothing Until The Consumer Acts"),
    "tells-no-flow": ("contactor_valve/02_gas_valve", "A Flow That Nobody Controls Is Seen"),
    "window-never-closes": ("installation/02_interpan_window", "Window Closes After Sixty Minutes"),
    "window-not-kept-alive": ("installation/02_interpan_window", "Window Is Kept Alive In Use"),
    "leaks-dropped-frames": ("security/02_firewall", "Frame Of A Foreign Cluster Is Dropped"),
    "firewall-open": ("security/02_firewall", "Frame Of A Foreign Cluster Is Dropped"),
    "claims-tunnels": ("installation/01_no_wan", "Install A Premises With No WAN"),
    "lists-its-orders": ("installation/03_neighbours", "A Work Order Never Runs On The Neighbour's Equipment"),
    "answered-when-sent": ("installation/01_no_wan", "Install A Premises With No WAN"),
    "forwards-for-unknown": ("security/02_firewall", "Message For A Device That Is Not In The Log Is Dropped"),
}

KNOWN = frozenset(
    [
        "accepts-replays",
        "reports-off-when-on",
        "forgets-counters-over-power-cut",
        "answers-for-another",
        "skips-signature-check",
        "skips-mac-check",
        "ignores-role",
        "closes-when-armed",
        "stays-armed-after-button",
        "wrong-outage-code",
        "loses-supply-state-over-outage",
        "responds-with-stale-counter",
        "arms-without-a-word",
        "moves-nothing",
        "drives-twice",
        "answers-on-another-endpoint",
        "accepts-tampered",
        "counts-forgeries",
        "opens-from-afar",
        "opens-unarmed",
        "skips-flow-check",
        "tells-no-flow",
        "window-never-closes",
        "window-not-kept-alive",
        "leaks-dropped-frames",
        "firewall-open",
        "claims-tunnels",
        "lists-its-orders",
        "answered-when-sent",
        "forwards-for-unknown",
    ]
)
"""Faults known when this list was last renewed; a fault that is not in it is tried by every run."""
SAMPLE = 25
SEED = os.environ.get("RIG_DETECTION_SEED", "1")


def sampled(names: Collection[str], seed: str = SEED) -> list[str]:
    """Of the names a sample of those that are known for long, and all others; the same for the same seed."""
    known = sorted(KNOWN & set(names))
    drawn = random.Random(seed).sample(known, min(SAMPLE, len(known)))
    return sorted({*drawn, *names} - (KNOWN - set(drawn)))


class _Tests(ResultVisitor):  # type: ignore[misc]
    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str, set[str]]] = {}

    def visit_test(self, test: object) -> None:
        status, message = str(test.status), str(test.message)  # type: ignore[attr-defined]
        tags = {str(tag).casefold() for tag in test.tags}  # type: ignore[attr-defined]
        self.found[str(test.name)] = (status, message, tags)  # type: ignore[attr-defined]


def judged(kind: str, fault: str, suite: str, test: str, folder: Path, *more: str) -> Verdict:
    """Exit status of a run of one test against a faulty device, and the test's status, message and tags."""
    change = f"devices.{NAMES[kind]}.fault={fault}"
    changes = [word for one in (change, *more) for word in ("--set", one)]
    done = finished(folder, "--quiet", *changes, "--test", test, suite)
    results = _Tests()
    assert (done.results / "output.xml").is_file(), done.said
    ExecutionResult(str(done.results / "output.xml")).visit(results)
    return done.status, results.found[test]


def test_every_fault_has_a_test_that_must_catch_it() -> None:
    assert {name for _, name in FAULTS} == set(CAUGHT_BY)
    assert len(CAUGHT_BY) >= 10


def record_of(folder: Path) -> Record:
    (record,) = records.read(folder / "out")
    return record


def missed(record: Record) -> set[str]:
    """The basis of whatever was missed."""
    return {str(found["basis"]["kind"]) for found in record.findings if found["outcome"] == "MISSED"}


def test_what_only_a_default_of_ours_catches_is_observed_and_fails_nobody(tmp_path: Path) -> None:
    """The same fault on a bench that declares nothing of its meter."""
    suite, test = CAUGHT_BY["loses-supply-state-over-outage"]
    silent = "devices.esme.declared.load_switch_after_outage=null"
    exit_status, (status, message, _) = judged("ESME", "loses-supply-state-over-outage", suite, test, tmp_path, silent)
    assert (exit_status, status) == (0, "PASS"), message
    assert record_of(tmp_path).verdict == "OBSERVED"
    assert missed(record_of(tmp_path)) == JUDGED_BY["a default of ours"]


def test_the_sample_is_seeded_and_holds_every_new_fault() -> None:
    many = [*KNOWN, "quite-new", "newer"]
    assert sampled(many) == sampled(many[::-1])
    assert {"quite-new", "newer"} <= set(sampled(many))
    assert len(sampled(many)) == min(SAMPLE, len(KNOWN)) + 2
    assert set(sampled(KNOWN)) <= KNOWN


def is_caught(fault: Fault, folder: Path) -> None:
    suite, test = CAUGHT_BY[fault.name]
    exit_status, (status, message, tags) = judged(fault.device, fault.name, suite, test, folder)
    assert (exit_status, status) == (1, "FAIL"), message
    assert f"req:{fault.requirement}".casefold() in tags
    assert "INFRA" not in message
    assert missed(record_of(folder)) & JUDGED_BY[fault.judged_by], "it fails by what it says that it fails by"
    assert not message.startswith("Setup failed"), "caught before the test began: the wrong test, or no device at all"


@pytest.mark.parametrize("name", sampled([name for _, name in FAULTS]))
def test_fault_is_caught(name: str, tmp_path: Path) -> None:
    (fault,) = (fault for fault in FAULTS.values() if fault.name == name)
    is_caught(fault, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda f: f.name)
def test_every_fault_is_caught(fault: Fault, tmp_path: Path) -> None:
    is_caught(fault, tmp_path)
