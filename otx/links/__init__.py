"""Word links: Pharaoh files, extraction from vectors, and alignment error."""
