"""Loops in machine code, one file a topic; imported by the function that needs them, so that help never waits."""
