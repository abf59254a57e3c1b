"""Translation: MR and TRUS brought to one intermediate modality (paper, section III-B)."""
