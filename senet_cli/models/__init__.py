"""The networks (torch), the publishers' key layouts, and the reading of checkpoints."""
