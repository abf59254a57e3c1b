"""From the frames of a biplane sweep to a TRUS volume: stitching, localisation, placement and filling (III-A)."""
