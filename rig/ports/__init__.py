"""One small protocol each (byte link, output, input, I2C, HAN adapter, WAN link, operator, supply), each with a real
and a virtual twin that pass the same conformance tests.

Must not live here: message contents or conduct of devices.
"""
