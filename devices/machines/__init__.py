"""One device or party a module: pure machines, ``handle(event, now) -> effects``.

Lives here: what a Communications Hub, a meter, a hand-held terminal or a supplier does.  Must not live here: I/O,
threads, sleeping, a clock, or anything that differs between the virtual bench and a real one.
"""
