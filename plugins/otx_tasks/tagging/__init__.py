"""Tagging of words: parts of speech and named entities."""
