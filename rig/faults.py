"""`rig faults`: the faulty devices that a bench can be given, to see that a suite catches them.

Must not live here: what a fault does (``devices.machines.faults``).
"""

from __future__ import annotations

import argparse

from devices.machines.faults import FAULTS

__all__ = ["add_parser", "main"]

DEVICES = {"ESME": "esme", "GSME": "gsme", "CHF": "hub"}
"""Kind of device to its name on the shipped benches."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Mount `rig faults` on the command line."""
    parser = commands.add_parser(
        "faults",
        help="list the faulty devices that a bench can be given",
        description="List the faulty devices made from the good ones: what each does wrong, and the requirement whose "
        "test must catch it.",
        epilog="example: rig run security --set devices.esme.fault=accepts-replays",
    )
    parser.set_defaults(handler=main)


def main(_args: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    rows = [("--set", "requirement", "what the device does")]
    rows += [(f"devices.{DEVICES[f.device]}.fault={f.name}", f.requirement, f.doc) for f in FAULTS.values()]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for setting, requirement, words in rows:
        print(f"{setting:<{first}}  {requirement:<{second}}  {words}")
    return 0
