"""The brokers that every bus test runs on: the embedded one, and Mosquitto from the distribution."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.client import BusClient

_COUNT = itertools.count(1)
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def _mosquitto(folder: Path) -> Iterator[str]:
    binary, passwd = shutil.which("mosquitto", path=_SBIN), shutil.which("mosquitto_passwd", path=_SBIN)
    if binary is None or passwd is None:
        reason = "mosquitto is not installed (apt install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config, words = folder / "mosquitto.conf", folder / "passwords"
    subprocess.run([passwd, "-c", "-b", str(words), "rig", "known"], check=True, capture_output=True)
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {words}", "set_tcp_nodelay true"]
    lines += ["max_queued_messages 100000", "max_inflight_messages 100", "persistence false"]
    lines += ["user root"] if os.geteuid() == 0 else []
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([binary, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"mqtt://rig:known@127.0.0.1:{port}"
    try:
        first = BusClient(url, "is-it-up")
        first.connect(5.0)
        first.close()
        yield url
    finally:
        process.terminate()
        process.wait(5.0)


@pytest.fixture(scope="session", params=["amqtt", "mosquitto"])
def broker_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running broker."""
    if request.param == "amqtt":
        with EmbeddedBroker() as broker:
            yield broker.url
    else:
        yield from _mosquitto(tmp_path_factory.mktemp("mosquitto"))


@pytest.fixture
def bench() -> str:
    """A bench name that no other test uses: brokers keep things."""
    return f"bench-{os.getpid()}-{next(_COUNT)}"


@pytest.fixture
def connect(broker_url: str, bench: str) -> Iterator[Callable[..., BusClient]]:
    """Makes clients of the broker that are closed at the end; not connected yet."""
    made: list[BusClient] = []

    def make(name: str, **more: object) -> BusClient:
        made.append(BusClient(broker_url, f"{bench}-{name}", **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        client.close()
