"""Records to text: one protocol, one small class a format."""

from senet_cli.writers.base import FORMATS, Writer, open_output
from senet_cli.writers.choose import make_writer

__all__ = ["FORMATS", "Writer", "make_writer", "open_output"]
