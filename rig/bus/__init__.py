"""The MQTT vocabulary: topics, messages, client, embedded broker.

The only importer of the MQTT client and broker.  Must not live here: what a command does.
"""
