"""What every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpus_dir() -> Path:
    """The published message corpus: ``RIG_CORPUS`` or ``../shared/corpus`` beside the clone."""
    folder = Path(os.environ.get("RIG_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (folder / "keys.json").is_file():
        pytest.skip(f"the published corpus is not at {folder}; set RIG_CORPUS to its folder")
    return folder
