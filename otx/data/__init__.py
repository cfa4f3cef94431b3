"""Parallel text: reading, words, filters, splits, the tokenised cache, batches."""
