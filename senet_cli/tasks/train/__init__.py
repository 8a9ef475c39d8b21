"""Training networks of one's own: from scratch, or from a pretrained checkpoint."""
