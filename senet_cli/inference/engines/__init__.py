"""Running a network on a batch of pixels, behind one protocol."""
