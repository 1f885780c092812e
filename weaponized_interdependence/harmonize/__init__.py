"""Codes, groups and products under one key each."""
