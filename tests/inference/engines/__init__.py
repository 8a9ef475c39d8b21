"""Engines: which one runs, and that all give the same logits."""
