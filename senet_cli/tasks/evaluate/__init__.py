"""How often a model is right on labelled images, class by class, and how well it knows it."""
