"""Checkpoints on disk: fetched, verified, installed under their digest. No torch here."""
