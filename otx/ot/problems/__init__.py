"""Transport problems: masses, marginals, and grouping by length."""
