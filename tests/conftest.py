"""What every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import examples

# How quick the machine is says nothing about the code; the same examples each time, so that a red run stays red.
settings.register_profile(
    "rig",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    max_examples=examples(40),
)
settings.load_profile("rig")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A process a core, as xdist has it; but one for whoever wants to see what a test writes (``-s``)."""
    return 0 if config.getoption("capture") == "no" else None


ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpus_dir() -> Path:
    """The published message corpus: ``RIG_CORPUS`` or ``../shared/corpus`` beside the clone."""
    folder = Path(os.environ.get("RIG_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (folder / "keys.json").is_file():
        if os.environ.get("CI") == "true" and "RIG_CORPUS" in os.environ:
            pytest.fail(f"RIG_CORPUS is set, and there is no corpus at {folder}")
        pytest.skip(f"the published corpus is not at {folder}; set RIG_CORPUS to its folder")
    return folder
