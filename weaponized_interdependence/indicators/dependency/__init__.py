"""Who hangs on whom, and how easily they are replaced: shares, concentration, cut-off power, fragility."""
