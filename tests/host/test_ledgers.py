"""Ledgers: no counter is ever given twice, whoever is killed when."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.machines.core import Answer, Asked
from devices.machines.supplier import Supplier, SupplierSettings
from devices.trust.keystore import MemoryKeyStore, generate, signing_key
from devices.wire import gbcs
from rig.host.ledgers import LARGEST, FileLedger
from rig.host.store import StoreError
from tests.examples import examples

ROOT = Path(__file__).resolve().parents[2]
SUPPLIER = bytes.fromhex("90B3D51F30010000")
METER = bytes.fromhex("00DB1234567890A0")

# A supplier in a process of its own.  It builds as many commands as it is told, then takes one counter more and stops
# at the worst place: the counter is taken, the command is not sent.
VICTIM = f"""
import sys
from pathlib import Path
from random import Random
from devices.machines.core import Answer, Asked
from devices.machines.supplier import Supplier, SupplierSettings
from devices.trust.keystore import MemoryKeyStore, generate
from rig.host.ledgers import FileLedger

EUI = bytes.fromhex("{SUPPLIER.hex()}")

class Stuck(FileLedger):
    left = int(sys.argv[2])
    def take(self, series):
        counter = super().take(series)
        self.left -= 1
        if self.left < 0:
            print("taken", counter, flush=True)
            sys.stdin.read()  # until somebody kills it, or is gone
            sys.exit(1)
        return counter

keys = MemoryKeyStore({{EUI.hex() + "-ds": generate(Random("supplier"))}}, {{}})
supplier = Supplier(SupplierSettings(EUI), keys, {{}}, Stuck(Path(sys.argv[1])))
while True:
    effects = supplier.handle(Asked("command", {{"use_case": "ECS43", "device": "{METER.hex()}"}}), 0)
    print("sent", next(e for e in effects if isinstance(e, Answer)).value["counter"], flush=True)
"""


def run_until_killed(path: Path, commands: int) -> list[tuple[str, int]]:
    """What a supplier said that was killed between 'counter taken' and 'sent', after so many commands."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(path), str(commands)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        said: list[tuple[str, int]] = []
        while not said or said[-1][0] != "taken":
            word, counter = process.stdout.readline().split()
            said.append((word, int(counter)))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return said


def command_of(ledger: FileLedger) -> gbcs.Message:
    """A command of the same supplier, in this process, as it goes on the wire."""
    keys = MemoryKeyStore({signing_key(SUPPLIER): generate(Random("supplier"))}, {})
    supplier = Supplier(SupplierSettings(SUPPLIER), keys, {}, ledger)
    effects = supplier.handle(Asked("command", {"use_case": "ECS43", "device": METER.hex()}), 0)
    answer = next(effect for effect in effects if isinstance(effect, Answer))
    return gbcs.decode(bytes.fromhex(answer.value["octets"]))


def test_a_supplier_killed_between_taking_and_sending_never_uses_that_counter_again(tmp_path: Path) -> None:
    path = tmp_path / "ledgers" / f"{SUPPLIER.hex()}.json"
    first = run_until_killed(path, 2)
    assert [word for word, _ in first] == ["sent", "sent", "taken"]
    second = run_until_killed(path, 1)
    message = command_of(FileLedger(path))
    used = [counter for _, counter in (*first, *second)] + [message.counter]
    assert used == [1, 2, 3, 4, 5, 6]
    assert message.counter == 6


@settings(max_examples=examples(30))
@given(series=st.lists(st.sampled_from(["commands", "top-up", "£"]), max_size=12), start=st.integers(0, LARGEST - 20))
def test_each_series_counts_by_itself_over_any_number_of_runs(
    tmp_path_factory: pytest.TempPathFactory, series: list[str], start: int
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a.json"
    taken: dict[str, list[int]] = {}
    for name in series:
        ledger = FileLedger(path, start)
        expected = ledger.peek(name)
        assert ledger.peek(name) == expected
        taken.setdefault(name, []).append(ledger.take(name))
        assert taken[name][-1] == expected
    for counters in taken.values():
        assert counters == list(range(start, start + len(counters)))


def test_two_runs_at_once_never_get_the_same_counter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    taken: list[int] = []
    ledgers = [FileLedger(path) for _ in range(4)]  # as four processes would hold them: each has opened the file itself

    def take(ledger: FileLedger) -> None:
        taken.extend(ledger.take("commands") for _ in range(10))

    threads = [threading.Thread(target=take, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))


def test_it_is_on_the_disk_before_it_is_returned_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    old = os.umask(0)
    try:
        assert FileLedger(path).take("commands") == 1
    finally:
        os.umask(old)
    assert json.loads(path.read_text()) == {"commands": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "", "{", '{"commands": 12', "[]", "7", "\xff", '{"commands": "12"}', '{"commands": 1.5}', '{"commands": true}',
        '{"commands": -1}', '{"commands": null}', '{"commands": {}}', '{"commands": NaN}',
    ],
)  # fmt: skip
def test_a_damaged_ledger_is_never_taken_for_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"a\.json: .*never delete it for a real device: write the next counters"):
        FileLedger(path)
    assert path.read_bytes() == text.encode("latin-1")


def test_a_ledger_that_is_damaged_while_it_is_open_gives_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    ledger = FileLedger(path)
    ledger.take("commands")
    path.write_text('{"comm')
    with pytest.raises(StoreError, match="not readable"):
        ledger.take("commands")
    assert path.read_text() == '{"comm'


def test_a_counter_that_cannot_be_recorded_is_not_given(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    ledger = FileLedger(path)
    path.with_name("a.json.new").mkdir()  # a write needs this name, and cannot have it
    with pytest.raises(StoreError, match="cannot be written"):
        ledger.take("commands")
    assert ledger.peek("commands") == 1


def test_the_last_counter_is_given_once(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "a.json", start=LARGEST)
    assert ledger.take("commands") == LARGEST
    with pytest.raises(StoreError, match=rf"series commands is used up; no counter above {LARGEST}"):
        ledger.take("commands")
