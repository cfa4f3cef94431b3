"""Probes of an encoder without training: retrieval, word alignment, structure."""
