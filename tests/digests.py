"""The octets of evidence, held against those of another commit: ``python -m tests.digests RESULTS [--write]``.

``digests.json`` has the SHA-256 of every evidence file of a whole run.  A change that moves none of it leaves evidence
as it was; one that does is committed with the new digests and names the files and why.

Must not live here: runs (``rig run``, ``.ci/run``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["FILE", "differences", "main", "of"]

FILE = Path(__file__).with_name("digests.json")


def of(results: Path) -> dict[str, str]:
    """Evidence files of a run, by their paths below ``evidence/``, with the SHA-256 of each."""
    folder = results / "evidence"
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def differences(recorded: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """One line for each file that is gone, new or has other octets."""
    return [
        f"{name}: {'is gone' if name not in found else 'is new' if name not in recorded else 'has other octets'}"
        for name in sorted({*recorded, *found})
        if recorded.get(name) != found.get(name)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Compare, or write; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.digests", description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a run of all suites on the virtual bench")
    parser.add_argument("--write", action="store_true", help="record what is there now")
    args = parser.parse_args(arguments)
    found = of(args.results)
    if args.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{len(found)} digests written to {FILE}")
        return 0
    told = differences(json.loads(FILE.read_text(encoding="utf-8")), found)
    print("\n".join(told) or f"{len(found)} evidence files as recorded")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
