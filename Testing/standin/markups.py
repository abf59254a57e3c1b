"""Stand-ins for Slicer's widgets to place points, pick segments and play sequences."""
