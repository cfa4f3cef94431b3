"""Word links: Pharaoh files, links out of vectors, and alignment error."""
