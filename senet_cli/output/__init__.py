"""Records and tables as bytes, and the files they go to."""
