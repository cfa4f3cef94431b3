"""Run folders, and what is read from them: results, statistics, comparisons, tables."""
