"""What the documents for people say is there: files that they name, words of the bench file, pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devices.machines.faults import FAULTS
from rig.bus.capabilities import CAPABILITIES
from rig.exits import MEANINGS
from rig.node.assembly import MACHINES
from rig.node.radios import HAN_DRIVERS, INTERPAN_DRIVERS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "PERFORMANCE.md",
        "wiring/README.md",
        "devices/model/ADDING_A_USE_CASE.md",
    )
]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    prose = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = LINK.findall(prose)
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_page_on_bench_files_names_all_that_may_stand_in_one() -> None:
    page = (ROOT / "wiring" / "README.md").read_text(encoding="utf-8")
    shipped = [path.stem for path in (ROOT / "wiring" / "benches").glob("*.yaml")]
    words = [*CAPABILITIES, *MACHINES, *HAN_DRIVERS, *INTERPAN_DRIVERS, "gateway", "wan", *shipped]
    assert [word for word in words if f"`{word}`" not in page] == []


def test_the_readme_has_the_table_of_exit_statuses() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [meaning for status, meaning in MEANINGS.items() if f"| {status} | {meaning} |" not in text] == []


def test_faults_that_documents_name_exist() -> None:
    known = {name for _, name in FAULTS}
    named = [name for path in DOCUMENTS for name in re.findall(r"\.fault=([a-z-]+)", path.read_text(encoding="utf-8"))]
    assert named
    assert set(named) <= known
