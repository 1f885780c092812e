"""Readers of publishers' files: one file a format; the registry joins them."""
