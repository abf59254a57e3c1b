"""Registration of the translated pair: the anatomy-aware network, its losses, initial alignment and transforms."""
