"""The biplane exam: reading the two views from video files and image stacks."""
