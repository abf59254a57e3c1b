"""What a person gets to see of an exam: pictures, tables and one self-contained page."""
