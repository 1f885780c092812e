"""Readers of publishers' files: one file a format, joined in registry.py."""
