"""Tests of senet_cli.tasks.train."""
