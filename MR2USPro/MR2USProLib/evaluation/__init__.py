"""How good a registration is: overlap, distances in mm, and how plausible the deformation is."""
