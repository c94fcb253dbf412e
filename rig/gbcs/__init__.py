"""Reading GBCS messages for people and judging a corpus: `rig gbcs decode` and `rig corpus check`.

Lives here: finding messages in hex, logs and captures, saying in words what they hold, verifying them, and counting.
Must not live here: codecs (``devices.wire``), verification itself (``devices.trust``).
"""
