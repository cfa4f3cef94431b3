"""Costs between points, and their transforms."""
