"""The virtual physical world: radio air, virtual radio modules, nets, relays, supplies, instruments, all on the bench
clock.

Must not live here: anything a real bench would run.
"""
