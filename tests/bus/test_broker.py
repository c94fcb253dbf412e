"""The embedded broker's life: who may enter, and how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.client import BusClient
from rig.bus.errors import BadUrl, BrokerGone

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import sys
from rig.bus.broker import EmbeddedBroker
broker = EmbeddedBroker()
broker.start()
print(broker.pid, flush=True)
sys.stdin.read()
"""


def _ended(pid: int, timeout_s: float = 5.0) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None], ids=["kill -9", "terminated", "exit"])
def test_it_ends_with_its_parent_however_that_dies(how: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        if how is None:
            parent.stdin.close()
        else:
            parent.send_signal(how)
        parent.wait(5.0)
        assert _ended(pid), "the broker outlived its parent"


def test_ctrl_c_in_the_terminal_does_not_reach_it() -> None:
    with EmbeddedBroker() as broker:
        assert broker.pid is not None
        assert os.getsid(broker.pid) != os.getsid(0)


def test_each_run_has_its_own_password_and_it_is_not_in_the_process_list() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        word = one.url.split(":")[2].split("@")[0]
        assert word not in other.url
        assert word.encode() not in Path(f"/proc/{one.pid}/cmdline").read_bytes()
        assert word.encode() not in Path(f"/proc/{one.pid}/environ").read_bytes()
        for broker in (one, other):
            client = BusClient(broker.url, "same-name")
            client.connect()
            client.close()


def test_it_serves_this_machine_alone() -> None:
    with pytest.raises(BadUrl, match="this machine alone"):
        EmbeddedBroker("0.0.0.0")


@pytest.mark.parametrize(
    "wish",
    [
        "",
        "no JSON",
        "[]",
        json.dumps({"host": "0.0.0.0", "user": "a", "password": "b"}),
        json.dumps({"host": "127.0.0.1", "user": "", "password": ""}),
        json.dumps({"host": "localhost.example", "user": "a", "password": "b"}),
    ],
)
def test_the_process_refuses_bad_wishes_in_one_line(wish: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rig.bus.broker_process"],
        cwd=ROOT,
        input=wish,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1


def test_its_end_is_clean_and_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    broker = EmbeddedBroker()
    broker.start()
    pid = broker.pid
    client = BusClient(broker.url, "guest")
    client.connect()
    broker.stop()
    client.close()
    broker.stop()
    assert pid is not None
    assert _ended(pid)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(BrokerGone):
        _ = broker.url


def test_a_broker_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BrokerGone, match="did not start"):
        EmbeddedBroker().start()
