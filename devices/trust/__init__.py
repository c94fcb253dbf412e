"""Keys, certificates, key derivation, MAC, signature and encryption; the only importer of ``cryptography``.

Must not live here: message layout (``wire``) or who may do what (``model``, ``machines``).
"""
