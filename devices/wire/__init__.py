"""Codecs: octets to frozen dataclasses and back, one layer a module, both directions on one screen.

Must not live here: keys, behaviour, I/O, or any import of another room.
"""
