"""From a scenario to impacts: one file a model, joined in simulate.py."""
