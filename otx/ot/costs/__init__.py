"""Costs between points, and transforms of cost matrices."""
