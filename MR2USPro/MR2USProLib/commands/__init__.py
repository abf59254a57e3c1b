"""What each command reads and what it leaves in its folder. The work itself is done by the pipeline."""
