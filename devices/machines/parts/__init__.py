"""What several machines share: tunnels, replay protection, event logs, clocks.

Must not live here: anything that only one machine does.
"""
