"""The command line: options in, one service call, records out."""
