"""Many pairs: how they are listed and split, where they start, what they teach, and what comes of each method."""
