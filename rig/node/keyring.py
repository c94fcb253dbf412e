"""Key stores and directories for the devices and parties of a bench, by trust domain.

* ``rig``: every key is made from the bench's seed.
* ``published``: parties use the published test keys; a device whose private keys nobody published agrees keys from the
  parties' side, and signs with a key made from the seed.

Each party is handed a store with its own private keys alone; the published devices excepted, which need those of the
parties to agree keys.

Must not live here: what is done with keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from devices.trust.errors import TrustError
from devices.trust.keystore import MemoryKeyStore, generate, load_corpus_keys, public_of
from rig import share
from rig.node.bench_file import Bench, BenchFileError

__all__ = ["Keyring"]

USAGES = ("ds", "ka", "pp-ka")


class Keyring:
    """All keys of a bench.  ``directory`` holds the public points of everybody, by key name."""

    def __init__(self, bench: Bench) -> None:
        domain = bench.trust.get("domain", "rig")
        if domain not in ("rig", "published"):
            raise BenchFileError(f"{bench.source}.trust.domain", "rig or published", domain)
        published = _published(bench) if domain == "published" else {}
        self._privates: dict[str, int] = {}
        self._lent: dict[str, int] = {
            name: private for name, (_, private) in published.items() if private and name[16:] == "-ka"
        }
        self.directory: dict[str, bytes] = {}
        for device in bench.devices.values():
            for usage in USAGES:
                name = f"{device.eui.hex()}-{usage}"
                public, private = published.get(name, (None, None))
                if public is not None and private is None and usage == "ka":
                    self.directory[name] = public  # agreed from the other side
                    continue
                self._privates[name] = private or generate(Random(f"{bench.seed}/{name}"))
                self.directory[name] = public_of(self._privates[name])

    def store(self, eui: bytes) -> MemoryKeyStore:
        """The key store of one party or device."""
        names = [f"{eui.hex()}-{usage}" for usage in USAGES]
        own = {name: self._privates[name] for name in names if name in self._privates}
        borrows = any(name not in self._privates for name in names)
        return MemoryKeyStore(
            {**(self._lent if borrows else {}), **own}, {name: self.directory[name] for name in names}
        )


def _published(bench: Bench) -> dict[str, tuple[bytes | None, int | None]]:
    """The published keys by name: public point and private scalar, where there is one."""
    told = bench.trust.get("folder")
    folder = Path(told) if told else share.corpus()
    try:
        document = json.loads((folder / "keys.json").read_text(encoding="utf-8"))
        load_corpus_keys(document)  # says what is wrong with it
    except (OSError, ValueError, TrustError) as problem:
        raise BenchFileError(
            f"{bench.source}.trust.folder",
            "the folder of the published keys (keys.json; or set RIG_CORPUS)",
            f"{folder}: {problem}",
        ) from None
    return {
        name: (
            bytes.fromhex(entry["public"]) if entry.get("public") else None,
            int.from_bytes(bytes.fromhex(entry["private"]), "big") if entry.get("private") else None,
        )
        for name, entry in document.items()
    }
