"""The bench: everything that touches the world.

Lives here: ports and their virtual twins, the virtual world, the hosts that pump the machines of ``devices``, the bus,
the nodes, the Robot keywords, the evidence and the command line.  Must not live here: what a device is or how a message
is built; that is ``devices``.
"""
