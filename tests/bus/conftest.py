"""The brokers that every bus test runs on: the embedded one, and Mosquitto from the distribution."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.bus.broker import EmbeddedBroker
from rig.bus.client import BusClient
from tests.bus.mosquitto import mosquitto, tool

_COUNT = itertools.count(1)


@contextmanager
def with_password(folder: Path) -> Iterator[str]:
    words = folder / "passwords"
    subprocess.run([tool("mosquitto_passwd"), "-c", "-b", str(words), "rig", "known"], check=True, capture_output=True)
    with mosquitto(folder, [f"password_file {words}"], "mqtt://rig:known@") as url:
        yield url


@pytest.fixture(scope="session", params=["amqtt", "mosquitto"])
def broker_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running broker."""
    if request.param == "amqtt":
        with EmbeddedBroker() as broker:
            yield broker.url
    else:
        with with_password(tmp_path_factory.mktemp("mosquitto")) as url:
            yield url


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
