"""What the tests of keywords with a made-up bench share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from rig.keywords import session as room
from rig.keywords.judge import judge
from tests.keywords.fake import Faked


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Faked]:
    """The session of all keywords, with a made-up bench; what they log is caught."""
    for name in ("clock", "_bench", "_issues", "may_end"):  # a session tells some of these to the judge of this process
        monkeypatch.setattr(judge(), name, getattr(judge(), name))
    faked = Faked()
    monkeypatch.setattr(room, "_SESSION", faked)
    judge().may_end = False  # a miss raises, whatever it rests on
    caplog.set_level(logging.DEBUG, logger="RobotFramework")
    yield faked
    judge().begin("")
