"""Tests of senet_cli.train."""
