"""Captures, measurements, verdicts, charts and reports.

Must not live here: anything that makes up what was not tapped.
"""
