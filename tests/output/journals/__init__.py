"""Runs that go on with records of another."""
