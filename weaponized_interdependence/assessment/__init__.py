"""Panels over impacts: pressure, collateral, third parties, humanitarian."""
