"""Long work in a process of its own: what to do is a JSON file, how it goes is JSON lines, what came of it is files."""
