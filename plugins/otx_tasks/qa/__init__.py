"""Extractive question answering: XQuAD, MLQA and TyDi QA."""
