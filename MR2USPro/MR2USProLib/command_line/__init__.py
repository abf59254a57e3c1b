"""The words of the command line, command by command, and what it shows while they work."""
