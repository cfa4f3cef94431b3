"""Solvers of transport problems."""
