"""Network statistics: one file a family, joined in registry.py."""
