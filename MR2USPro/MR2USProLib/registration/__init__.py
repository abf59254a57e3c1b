"""Registration of the translated pair: initial alignment, the networks and their trainer, uncertainty, transforms."""
