"""The tolerance of the tie rule of least-distance chains: see `indicators.routing.chains`, which states the rule.

It stands beside the compiled loops, so that they are compiled anew when it changes, and loads nothing.
"""

EQUAL = 1e-12
