"""What the three panels share: the parts they are made of, and how these talk to the worker."""
