"""Who can deny: chokepoints by legal reach, capacity and cost; cuts, removal and interdiction."""
