"""Devices whose process is killed at every single write to their store: before a command or after it, never between."""

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

from devices.machines.parts.load_switch import MOVING
from devices.model import use_cases
from devices.model.credentials import DEVICE_CELLS
from devices.wire import gbcs
from devices.wire.gbcs import CRA
from tests.host.kill_scripts import SCRIPTS, Script

ROOT = Path(__file__).resolve().parents[2]
HOWS = ("before", "torn", "lost")
SIGKILL = -9


@cache
def script(kind: str) -> Script:
    return SCRIPTS[kind]()


@cache
def protected(kind: str) -> list[int]:
    """The counters of the commands that may be carried out once only."""
    found = []
    for message in map(gbcs.decode, script(kind).commands):
        use_case = use_cases.by_code(message.message_code)
        if use_case is None or use_case.replay_protected is not False:
            found.append(message.counter)
    return found


def lives(kind: str, folder: Path, points: Sequence[str]) -> list[dict[str, Any]]:
    """What became of the device at each of these points."""
    run = [sys.executable, "-m", "tests.host.victim", kind, str(folder), *points]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def undisturbed(kind: str) -> dict[str, Any]:
    """The life that nobody cut short."""
    with tempfile.TemporaryDirectory() as folder:
        return lives(kind, Path(folder), ["none:0"])[0]


def states(kind: str) -> list[dict[str, Any]]:
    """The state of the store before the first command and after each."""
    return [value for what, value in undisturbed(kind)["told"] if what == "state"]


def calls(kind: str) -> int:
    """How many calls changed the disk in the undisturbed life."""
    return int(next(value for what, value in undisturbed(kind)["told"] if what == "calls"))


def answered(life: dict[str, Any]) -> list[int]:
    """The counters of the commands whose responses left before the end."""
    sent = [gbcs.decode(bytes.fromhex(value)) for what, value in life["told"] if what == "sent"]
    return [message.counter for message in sent if message.cra == CRA.RESPONSE]


def at_rest(state: dict[str, Any]) -> dict[str, Any]:
    """A state without the mark that the contactor is under way, which comes with a command and goes after it."""
    return {key: value for key, value in state.items() if key != MOVING}


def floor(state: dict[str, Any]) -> int:
    return max(state.get("floors", {}).values(), default=0)


def judge(kind: str, life: dict[str, Any]) -> None:
    kept, given, asked = life["kept"], answered(life), protected(kind)
    assert life["status"] == SIGKILL
    possible = [at_rest(state) for state in states(kind)[len(given) : len(given) + 2]]
    assert at_rest(kept) in possible or not (given or kept), "the state is neither before nor after the command"
    assert floor(kept) >= max((counter for counter in given if counter in asked), default=0)
    again = [counter for counter in life["executed"] if counter in asked]
    assert again == [counter for counter in asked if counter > floor(kept)], "executed twice, or never"
    assert life["driven"] == script(kind).drives.get(life["supply"], "")
    final, reached = states(kind)[-1], life["after"]
    for key in script(kind).settled:
        assert reached.get(key) == final.get(key), key


def test_every_kind_of_device_that_takes_commands_is_killed() -> None:
    assert set(SCRIPTS) == set(DEVICE_CELLS)


@pytest.mark.parametrize("kind", SCRIPTS)
def test_the_script_touches_everything_that_a_device_keeps(kind: str) -> None:
    """Else the kills below would prove little."""
    asked, final = script(kind).commands, states(kind)[-1]
    assert script(kind).keeps <= set(final)
    assert len(answered(undisturbed(kind))) == len(asked)
    reading = len(asked) - len(protected(kind))
    assert len({json.dumps(state, sort_keys=True) for state in states(kind)}) == len(asked) + 1 - reading
    appended = 2 * (len(asked) - reading) + 4  # a write and an fsync each, and four calls for a new file
    assert calls(kind) >= appended
    if kind == "ESME":  # its journal is long enough to be rewritten, which has two calls more
        assert calls(kind) >= appended + 4


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_device_killed_at_some_of_its_writes(tmp_path: Path, kind: str) -> None:
    points = [f"{HOWS[call % 3]}:{call}" for call in range(1, calls(kind) + 1, 5 if kind == "ESME" else 10)]
    for life in lives(kind, tmp_path, points):
        judge(kind, life)


@pytest.mark.soak
@pytest.mark.parametrize("kind", SCRIPTS)
@pytest.mark.parametrize("how", HOWS)
def test_a_device_killed_at_every_single_write(tmp_path: Path, how: str, kind: str) -> None:
    everywhere = lives(kind, tmp_path, [f"{how}:{call}" for call in range(1, calls(kind) + 1)])
    assert len(everywhere) == calls(kind)
    for life in everywhere:
        judge(kind, life)
    assert any(life["torn"] for life in everywhere) == (how == "torn")
