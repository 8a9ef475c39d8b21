"""Files of weights: safe reading, key layouts of publishers, identifying, writing."""
