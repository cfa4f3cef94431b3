"""Run folders and what is read out of them: results, statistics, comparisons, tables."""
