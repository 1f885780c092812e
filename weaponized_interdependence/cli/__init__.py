"""The command line: one file a command group; a command parses, calls one library function, and shows."""
