"""Transport problems: their statement, their masses, and grouping by length."""
