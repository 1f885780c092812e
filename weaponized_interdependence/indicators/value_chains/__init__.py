"""Where economies and industries stand in production: indicators of the input-output table."""
