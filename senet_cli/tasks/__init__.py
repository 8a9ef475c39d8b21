"""What a user wants done, one module or package each: no Typer, no printing."""
