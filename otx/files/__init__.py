"""Files: reading with limits, atomic writing, and content digests."""
