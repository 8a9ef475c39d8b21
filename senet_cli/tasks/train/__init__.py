"""Training your own networks: from scratch, or from a pretrained checkpoint."""
