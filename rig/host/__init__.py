"""Pumps one machine with its ports and a clock, and grants the effects that the machine wishes for.

Must not live here: protocol knowledge.
"""
