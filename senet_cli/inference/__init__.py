"""A runnable model: which weights on which engine, images in, records out."""
