"""Loops in machine code for the dynamic model; imported by the function that needs them, so that help never waits."""
