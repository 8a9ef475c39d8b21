"""From sources to pixels: finding images, decoding them, and each publisher's preprocessing."""
