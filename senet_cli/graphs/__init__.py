"""The wiring of the networks, written once for graphs of any library that is not PyTorch."""
