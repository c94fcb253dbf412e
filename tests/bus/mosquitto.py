"""Mosquitto from the distribution, started by the tests that need it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.bus.client import BusClient, Tls
from tests.reserved import reserved_port

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def tool(name: str) -> str:
    """The path of one of its programs; skips where it is not installed, and fails there in CI."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        reason = f"{name} is not installed (apt install mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def mosquitto(folder: Path, lines: Sequence[str], scheme: str, tls: Tls | None = None) -> Iterator[str]:
    """Run it on a free port with these lines of configuration; gives its URL once it answers."""
    binary = tool("mosquitto")
    with reserved_port() as port:
        always = [f"listener {port} 127.0.0.1", "allow_anonymous false", "set_tcp_nodelay true", "persistence false"]
        always += ["max_queued_messages 100000", "max_inflight_messages 100"]
        always += ["user root"] if os.geteuid() == 0 else []
        (folder / "mosquitto.conf").write_text("\n".join([*always, *lines, ""]))
        with subprocess.Popen(
            [binary, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                url = f"{scheme}127.0.0.1:{port}"
                first = BusClient(url, "is-it-up", tls=tls)
                first.connect(5.0)
                first.close()
                yield url
            finally:
                process.terminate()
