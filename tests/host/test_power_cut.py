"""A meter whose process is killed at every single write to its store: before a command or after it, never between."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from devices.machines.parts.device_keys import KEY
from devices.model import use_cases
from devices.wire import gbcs
from devices.wire.gbcs import CRA
from tests.host.victim import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
HOWS = ("before", "torn", "lost")
DONE = 0x8154  # a command was executed, in the event log
SIGKILL = -9

PROTECTED = [
    message.counter
    for message in map(gbcs.decode, COMMANDS)
    if not (use_case := use_cases.by_code(message.message_code)) or use_case.replay_protected is not False
]


def lives(folder: Path, points: Sequence[str]) -> list[dict[str, Any]]:
    """What became of the meter at each of these points."""
    run = [sys.executable, "-m", "tests.host.victim", str(folder), *points]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def undisturbed() -> dict[str, Any]:
    """The life that nobody cut short."""
    with tempfile.TemporaryDirectory() as folder:
        return lives(Path(folder), ["none:0"])[0]


def states() -> list[dict[str, Any]]:
    """The state of the store before the first command and after each."""
    return [value for kind, value in undisturbed()["told"] if kind == "state"]


def calls() -> int:
    """How many calls changed the disk in the undisturbed life."""
    return int(next(value for kind, value in undisturbed()["told"] if kind == "calls"))


def answered(life: dict[str, Any]) -> list[int]:
    """The counters of the commands whose responses left before the end."""
    sent = [gbcs.decode(bytes.fromhex(value)) for kind, value in life["told"] if kind == "sent"]
    return [message.counter for message in sent if message.cra == CRA.RESPONSE]


def codes(state: dict[str, Any]) -> list[list[Any]]:
    """The event log without its times: the clock of the second life begins anew."""
    return [entry[1:] for entry in state.get("log.event", ())]


def floor(state: dict[str, Any]) -> int:
    return max(state.get("floors", {}).values(), default=0)


def judge(life: dict[str, Any]) -> None:
    kept, given = life["kept"], answered(life)
    assert life["status"] == SIGKILL
    assert kept in states()[len(given) : len(given) + 2], "the state is neither before nor after the command"
    assert floor(kept) >= max((counter for counter in given if counter in PROTECTED), default=0)
    assert sum(code == DONE for code, _ in codes(kept)) == sum(counter <= floor(kept) for counter in PROTECTED)
    again = [counter for counter in life["executed"] if counter in PROTECTED]
    assert again == [counter for counter in PROTECTED if counter > floor(kept)], "executed twice, or never"
    assert life["contactor"] == ("contactor_set" if life["supply"] == "ENABLED" else "contactor_reset")
    assert life["supply"] == kept.get("supply", "ENABLED")
    final, reached = states()[-1], life["after"]
    assert codes(reached) == codes(final)
    for key in ("floors", "supply", "objects", "once", KEY):
        assert reached.get(key) == final.get(key)


def test_the_script_touches_everything_that_a_meter_keeps() -> None:
    """Else the kills below would prove little."""
    final = states()[-1]
    assert {"floors", "supply", "objects", "log.event", "once", "clock", KEY} <= set(final)
    assert len(answered(undisturbed())) == len(COMMANDS)
    assert len({json.dumps(state, sort_keys=True) for state in states()}) == len(COMMANDS)  # the last one only reads
    appended = 2 * (len(COMMANDS) - 1) + 4  # a write and an fsync each, and four calls for a new file
    assert calls() >= appended + 4  # a rewrite has two calls more: there were two at least


def test_a_meter_killed_at_some_of_its_writes(tmp_path: Path) -> None:
    points = [f"{HOWS[call % 3]}:{call}" for call in range(1, calls() + 1, 2)]
    for life in lives(tmp_path, points):
        judge(life)


@pytest.mark.soak
@pytest.mark.parametrize("how", HOWS)
def test_a_meter_killed_at_every_single_write(tmp_path: Path, how: str) -> None:
    everywhere = lives(tmp_path, [f"{how}:{call}" for call in range(1, calls() + 1)])
    assert len(everywhere) == calls()
    for life in everywhere:
        judge(life)
    assert any(life["torn"] for life in everywhere) == (how == "torn")
