"""``rig perf``: the benchmarks run and report; how fast they are is no matter for a test."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.machines.parts.contactor import Supply
from devices.model.credentials import DEVICE_CELLS
from devices.trust import protection
from devices.trust.errors import KeyMissing
from devices.trust.keystore import signing_key
from devices.wire import cosem, gbcs
from rig.exits import Exit
from rig.gbcs.corpus import load_entries, load_store
from rig.perf import main, memory, premises, switching
from rig.perf.benchmarks import BENCHMARKS, TIMINGS, Material, Timing
from rig.perf.frames import SIZE, lines
from rig.perf.measure import Figure, measure
from rig.perf.memory import Growth
from rig.perf.messages import NotVerifiedError, all_crypto, floor
from rig.perf.switching import METER, NotExecutedError
from tests import corpus_made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Little of everything: what is measured takes long because a figure needs it."""
    monkeypatch.setattr(memory, "COUNTS", (1, 2, 4))
    monkeypatch.setattr(switching, "COUNT", 20)
    memory.growth.cache_clear()
    yield 20
    memory.growth.cache_clear()


def test_everything_is_measured_with_a_corpus(small: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--corpus", str(corpus_made.write(tmp_path)), "--rounds", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["not_measured"] == []
    rows = {row["name"]: row for row in result["benchmarks"]}
    assert list(rows) == [benchmark.name for benchmark in BENCHMARKS]
    assert rows["envelope"]["items"] == 3
    assert all(0 < row["median"] <= row["best"] for row in rows.values())
    assert rows["decode with all cryptography"]["beside"] == "bare cryptography"
    assert rows["decode with all cryptography"]["ratio"] > 0
    assert rows["load-switch command executed"]["items"] == small
    assert result["machine"]["python"]
    taken = {row["name"]: row["figure"] for row in result["whole_runs"]}
    assert list(taken) == [timing.name for timing in TIMINGS if timing.always]
    assert 0 < taken["one more premises, resident"] < 100


@pytest.mark.usefixtures("small")
def test_without_a_corpus_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIG_CORPUS", str(tmp_path / "none"))
    assert main(["--rounds", "1"]) == 0
    text = capsys.readouterr().out
    assert "XBee frame, mode 2" in text
    assert "not measured: envelope; it needs the corpus" in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--rounds", "0"], "must be 1 or more"), (["--corpus", "/nowhere/at/all"], "is no folder")],
)
def test_bad_arguments_are_refused(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == Exit.MISUSE
    captured = capsys.readouterr()
    assert captured.err.startswith("rig perf: ")
    assert reason in captured.err
    assert captured.err.count("\n") == 1


def test_what_does_not_verify_is_not_measured(tmp_path: Path) -> None:
    made = corpus_made.entries()
    made[0]["hex"] = made[0]["hex"][:-2] + "00"
    folder = corpus_made.write(tmp_path, made)
    with pytest.raises(NotVerifiedError, match="ENABLE does not verify"):
        all_crypto(list(load_entries(folder)), load_store(folder))()


def test_the_floor_is_true_work(tmp_path: Path) -> None:
    """Its signatures, MACs and encrypted parts are those of the messages: with another key it finds none."""
    folder = corpus_made.write(tmp_path)
    entries, store = list(load_entries(folder)), load_store(folder)
    assert floor(entries, store)() == 3
    with pytest.raises(KeyMissing):
        floor(entries, type(store)({}, {}))


def test_frames_have_the_size_that_is_named() -> None:
    assert {len(line) for line in lines(50, escaped=False)} == {SIZE}
    escaped = lines(50)
    assert any(len(line) > SIZE for line in escaped)
    assert lines(50) == escaped


def test_whole_runs_have_their_room(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    timings = (
        Timing("install", "s", lambda: 12.5, most=30),
        Timing("outage", "virtual over wall", lambda: 9000, least=10_000),
        Timing("demo", "s", lambda: 1),
        Timing("hardware", "s", lambda: None, needs="a bench"),
        Timing("quick", "MB", lambda: 0.5, most=1, always=True),
    )
    monkeypatch.setattr("rig.perf.command.TIMINGS", timings)
    monkeypatch.setattr("rig.perf.command.BENCHMARKS", [row for row in BENCHMARKS if row.name == "XBee frame, mode 2"])
    assert main(["--rounds", "1"]) == 0
    text = capsys.readouterr().out
    assert "install" not in text
    assert "quick" in text
    assert main(["--rounds", "1", "--whole"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "install 12.5 s at most 30 met" in lines
    assert "outage 9,000 virtual over wall at least 10,000 MISSED" in lines
    assert "demo 1 s" in lines
    assert "not measured: hardware; it needs a bench" in lines


def test_figures() -> None:
    slow, quick = Figure("slow", 10, (1_000, 3_000, 2_000)), Figure("quick", 10, (500, 1_000, 1_000))
    assert (slow.typical, slow.best) == (5e6, 1e7)
    assert slow.share_of(quick) == 0.5
    assert [figure.items for figure in measure([("one", lambda: 4)], 3)] == [4]


def test_every_row_can_be_set_beside_what_it_names() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    assert len(set(names)) == len(names)
    assert all(benchmark.beside in (None, *names) for benchmark in BENCHMARKS)
    assert all(benchmark.needs or benchmark.prepare(Material()) for benchmark in BENCHMARKS)


# ------------------------------------------------------------------------------------------------------------ switching


def test_a_meter_carries_out_every_command_that_is_measured() -> None:
    """Each response is the meter's own, signed, to the command of its counter, and says success."""
    meter = premises.meter(METER)
    commands = premises.load_switch_commands(meter, 5)
    assert len(set(commands)) == 5
    states = [meter.switch.state]
    for octets in commands:
        (response,) = (gbcs.decode(answer) for answer in switching.carry_out(meter, [octets]))
        command = gbcs.decode(octets)
        assert (response.cra, response.message_code, response.counter) == (2, command.message_code, command.counter)
        assert protection.signature_valid(response, meter.processor.keys.public(signing_key(METER)))
        answer = cosem.decode(response.payload)
        assert isinstance(answer, cosem.AccessResponse)
        assert [result.code for result in answer.results] == [0]
        states.append(meter.switch.state)
    assert states == [Supply.ENABLED, *(Supply.DISABLED, Supply.ENABLED) * 2, Supply.DISABLED]


def test_what_is_refused_is_not_measured() -> None:
    """The counters are held against the floor: the same commands do not pass twice, nor do those of another meter."""
    meter = premises.meter(METER)
    commands = premises.load_switch_commands(meter, 3)
    assert len(switching.carry_out(meter, commands)) == 3
    with pytest.raises(NotExecutedError, match="command 1 of 3"):
        switching.carry_out(meter, commands)
    with pytest.raises(NotExecutedError, match="command 1 of 3"):
        switching.carry_out(premises.device("ESME", bytes(8)), commands)
    fresh = premises.load_switch_commands(meter, 3, first=4)
    spoilt = bytes((*fresh[1][:-1], fresh[1][-1] ^ 1))
    with pytest.raises(NotExecutedError, match="command 2 of 3"):
        switching.carry_out(meter, [fresh[0], spoilt, fresh[2]])


def test_a_pass_can_be_made_again(small: int) -> None:
    work = switching.executed()
    assert [work(), work()] == [small, small]
    assert switching.cryptography()() == switching.signatures()() == small


# --------------------------------------------------------------------------------------------------------------- memory


def test_premises_are_whole_and_share_no_key() -> None:
    one, two = premises.premises(1), premises.premises(2)
    assert tuple(one) == tuple(two) == premises.KINDS
    devices = [*one.values(), *two.values()]
    assert len({device.processor.identity for device in devices}) == len(devices)
    keys = [device.processor.keys.public(signing_key(device.processor.identity)) for device in devices]
    assert len(set(keys)) == len(keys)
    for kind, device in one.items():
        held = dict(device.processor.cells)
        assert set(held) == set(DEVICE_CELLS[kind])
        assert all(credential.certificate for credential in held.values())


def test_memory_is_read_at_every_point() -> None:
    readings = iter((1_000, 3_000, 4_000))
    growth = memory.grow((1, 3, 4), lambda: next(readings))
    assert growth == Growth((1, 3, 4), (1_000, 3_000, 4_000))
    assert growth.one_more == pytest.approx(1_000)
    assert growth.bend == pytest.approx(0)


def test_growth_that_is_no_line_is_seen() -> None:
    assert Growth((0, 10, 20), (0, 5_000, 20_000)).bend == pytest.approx(1 / 6)


def test_the_memory_that_is_counted_is_that_of_the_premises() -> None:
    """What is let go of is not counted: the same premises again cost nothing once the first are gone."""
    memory.grow((1,), int)
    tracemalloc.start()
    try:
        growth = memory.grow((1, 3, 5), lambda: tracemalloc.get_traced_memory()[0])
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert growth.one_more > 10_000
    assert left < growth.octets[0]


def test_where_nothing_says_what_is_resident_it_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "none")
    memory.growth.cache_clear()
    assert memory.resident() is None
    assert memory.bend() is None
    memory.growth.cache_clear()
