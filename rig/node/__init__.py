"""The agent on a Pi: loads its part of the bench, starts hosts, runs numbered commands, keeps its journal, fails safe.

Must not live here: conduct of devices or Robot.
"""
