"""The Robot libraries: small, typed, synchronous.

They talk to the bench over the bus alone.  Must not live here: anything that reaches past the bus.
"""
