"""Labelled images: class folders, lists, archives, CIFAR's batches, ground truth, held-back images."""
