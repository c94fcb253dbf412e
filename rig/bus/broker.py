"""The embedded broker as its user sees it: start, address, stop.

It runs in a process of its own (``broker_process.py``), in a session of its own so that Ctrl-C does not reach it, on
127.0.0.1 and a free port, with a random password for each run.  It ends when this process does, however that happens.

Must not live here: the broker.
"""

from __future__ import annotations

import json
import secrets
import select
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, Self

from rig import child
from rig.bus.errors import BadUrl, BrokerGone

__all__ = ["EmbeddedBroker"]

_USER = "rig"
ADVICE = {
    "No module named": "Install what pyproject.toml names in this environment.",
    "Too many open files": "Allow more open files: ulimit -n 1024.",
    "No space left": "Make room on the disk.",
    "Cannot allocate memory": "The machine is out of memory.",
}
"""What to do about last words of the process that hold these."""


class EmbeddedBroker:
    """``with EmbeddedBroker() as broker: BusClient(broker.url, ...)``.

    Raises :class:`BadUrl` for a host other than 127.0.0.1 and :class:`BrokerGone` when it does not start.
    """

    def __init__(self, host: str = "127.0.0.1", *, start_timeout_s: float = 15.0) -> None:
        if host != "127.0.0.1":
            raise BadUrl(host, "the embedded broker serves this machine alone", "Name a Mosquitto by its URL instead.")
        self._host, self._timeout_s = host, start_timeout_s
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The address with user and password; never log it."""
        if self._process is None:
            raise BrokerGone("embedded broker", "not started")
        return f"mqtt://{_USER}:{self._password}@{self._host}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> str:
        """Start it and wait until it listens; gives :attr:`url`."""
        if self._process is not None:
            return self.url
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process that writes to it
        self._process = child.start("rig.bus.broker_process", self._complaints)
        try:
            self._port = self._hear(self._process)
        except BrokerGone:
            self.stop()
            raise
        return self.url

    def _hear(self, process: subprocess.Popen[bytes]) -> int:
        """Tell it who may enter, and read the port that it got."""
        assert process.stdin is not None
        assert process.stdout is not None
        wish = {"host": self._host, "user": _USER, "password": self._password}
        try:
            process.stdin.write(json.dumps(wish).encode() + b"\n")
            process.stdin.flush()
            heard, _, _ = select.select([process.stdout], [], [], self._timeout_s)
            return int(json.loads(process.stdout.readline())["port"]) if heard else self._fail("says nothing")
        except (OSError, ValueError, KeyError, TypeError):
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # it closed its end, so it is about to be gone
            return self._fail("did not start")

    def _fail(self, problem: str) -> int:
        """Say what is known of the cause: how it ended, its last words, and what they call for."""
        ended = self._process.poll() if self._process is not None else None
        if ended is not None and ended < 0:
            problem += f"; it was killed by signal {-ended}"
        lines: list[str] = []
        if self._complaints is not None:
            self._complaints.seek(0)
            lines = self._complaints.read(4000).decode("utf-8", "replace").strip().splitlines()
        said = lines[-1] if lines else ""
        advice = next((text for word, text in ADVICE.items() if word in said), "")
        raise BrokerGone("embedded broker", problem + (f"; it said: {said.rstrip('.')}" if said else ""), advice)

    def stop(self) -> None:
        """End it and wait for its end.  Without effect when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # it is gone already, which is what we want
                    continue
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._complaints is not None:
            self._complaints.close()
            self._complaints = None

    def kill(self) -> None:
        """Have it die at once, as a crash would (for tests of what happens then)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
