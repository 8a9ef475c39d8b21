"""What `-h` shows: usage, examples, and the options in groups, over the whole width of the terminal.

An option says its group with `rich_help_panel`, by one of the names below. A command's module says which
options matter first (`FIRST`, names of its function's parameters) and gives `EXAMPLES`, one a line.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer import TyperException
from typer.core import TyperCommand, TyperGroup

from senet_cli.cli.values import read_ourselves, takes
from senet_cli.output.text import cells, filled, wrapped

INPUT, MODEL, TRAINING, OUTPUT, SPEED, GENERAL = (
    *("Input", "Model", "Training", "Output", "Speed", "General"),
)
_GROUPS = (INPUT, MODEL, TRAINING, OUTPUT, SPEED, GENERAL)
"""In the order in which they are shown."""
_FIRST, _ONLY = "Most used", "Options"
"""Headings of the options that matter first, and of those of a command that needs no groups."""
_MIN_WIDTH, _NARROW, _WIDEST_TERM = 40, 64, 26
_ARGUMENT = "argument"


class Command(TyperCommand):
    """A command whose help is in groups, and which says itself what is wrong with a value.

    Attributes:
        examples: shell commands.
        first: the parameters that are shown first, by name.
    """

    examples: Sequence[str] = ()
    first: Sequence[str] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read arguments and options; an error knows its command."""
        with _told(ctx):
            read_ourselves(self.get_params(ctx))
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole page."""
        formatter.write(page(self, ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Say in what order options and arguments come."""
        return _usage(self, ctx)


class Commands(TyperGroup):
    """Several commands; its help lists them."""

    examples: Sequence[str] = ()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read options; nothing at all asks for help."""
        with _told(ctx):
            read_ourselves(self.get_params(ctx))
            return super().parse_args(ctx, args if args or ctx.resilient_parsing else ["--help"])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Say in what order options and arguments come."""
        return [*_usage(self, ctx), "COMMAND", "..."]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole page."""
        formatter.write(page(self, ctx))

    def summaries(self) -> dict[str, list[tuple[str, str]]]:
        """Give names of commands and what they do, by heading."""
        shown = [(name, command) for name, command in self.commands.items() if not command.hidden]
        return {"Commands": [(name, summary(command)) for name, command in shown]}


@contextmanager
def _told(ctx: Any) -> Iterator[None]:
    """Tell errors that do not know it where they happened."""
    try:
        yield
    except TyperException as error:
        if getattr(error, "ctx", None) is None:
            error.ctx = ctx  # type: ignore[attr-defined]
        raise


def page(command: Any, ctx: Any) -> str:
    """Write what `-h` shows of a command.

    Args:
        command: a `Command` or `Commands`.
        ctx: its context.
    """
    width = max(shutil.get_terminal_size().columns, _MIN_WIDTH)
    first = f"Usage: {ctx.command_path}"
    lines = filled([first, *command.collect_usage_pieces(ctx)], width, rest=" " * len("Usage: "))
    summary, *details = inspect.cleandoc(command.help or "").split("\n\n")
    lines += ["", *_paragraph(summary, width)]
    if command.examples:
        lines += ["", "Examples:", *(line for text in command.examples for line in _shell(text, width))]
    for detail in details:
        lines += ["", *_paragraph(detail, width)]
    sections = list(command.summaries().items()) if isinstance(command, Commands) else []
    sections += [
        (heading, [_row(option) for option in options]) for heading, options in grouped(command, ctx)
    ]
    longest = max(cells(term) for _, rows in sections for term, _ in rows)
    column = min(longest, max(_WIDEST_TERM, width // 4)) + 4
    for heading, rows in sections:
        lines += ["", f"{heading}:", *_definitions(rows, width, column)]
    return "\n".join(lines)


def grouped(command: Any, ctx: Any) -> list[tuple[str, list[Any]]]:
    """Sort the parameters of a command by heading, those that matter first before all groups."""
    shown = [parameter for parameter in command.get_params(ctx) if not parameter.hidden]
    matter = {name: place for place, name in enumerate(getattr(command, "first", ()))}
    first = [p for p in shown if p.param_type_name == _ARGUMENT] if matter else []
    first += sorted((p for p in shown if p.name in matter), key=lambda p: matter[p.name])
    found = [(_FIRST, first)]
    found += [(group, [p for p in shown if group_of(p) == group and p not in first]) for group in _GROUPS]
    there = [(heading, options) for heading, options in found if options]
    return [(_ONLY, there[0][1])] if len(there) == 1 else there


def group_of(parameter: Any) -> str:
    """Tell the group of a parameter; what Typer adds by itself (`--help`) is general."""
    if parameter.param_type_name == _ARGUMENT:
        return INPUT
    return str(parameter.rich_help_panel or GENERAL)


def spelled(parameter: Any) -> str:
    """Write a parameter as messages call it: its longest spelling, or what stands for an argument."""
    if parameter.param_type_name == _ARGUMENT:
        return str(parameter.metavar or parameter.name.upper()).removesuffix("...")
    return str(max(parameter.opts, key=len))


def _usage(command: Any, ctx: Any) -> list[str]:
    pieces = ["[OPTIONS]"]
    for parameter in command.get_params(ctx):
        if parameter.param_type_name == _ARGUMENT:
            name = spelled(parameter)
            pieces.append(f"{name if parameter.required else f'[{name}]'}{'...' * (parameter.nargs == -1)}")
    return pieces


def summary(command: Any) -> str:
    """Give the first paragraph of a command's help, in one line."""
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _paragraph(text: str, width: int) -> Iterator[str]:
    yield from wrapped(" ".join(text.split()), width, first="  ", rest="  ")


def _shell(line: str, width: int) -> list[str]:
    """Write a command so that it can be copied, whatever the width; a value stays beside its option."""
    return filled(re.split(r" (?=--?\w|\||&&)", line), width, first="  ", rest="      ", end=" \\")


def _definitions(rows: Sequence[tuple[str, str]], width: int, column: int) -> Iterator[str]:
    """Write terms, and what they mean from `column` on, or below where the terminal is narrow."""
    beside = width >= _NARROW
    rest = " " * (column if beside else 6)
    for term, text in rows:
        first = f"  {term}".ljust(column)
        if not text:
            yield f"  {term}"
        elif beside and cells(term) + 4 <= column:
            yield from _lines(text, width, first=first, rest=rest)
        else:
            yield f"  {term}"
            yield from _lines(text, width, first=rest, rest=rest)


_GLUE = "\N{NO-BREAK SPACE}"


def _lines(text: str, width: int, *, first: str, rest: str) -> Iterable[str]:
    whole = re.sub(r"\[(?:env|default): [^]]{,30}\]", lambda match: match[0].replace(" ", _GLUE), text)
    return [line.replace(_GLUE, " ") for line in wrapped(whole, width, first=first, rest=rest)]


def _row(parameter: Any) -> tuple[str, str]:
    """Write a parameter and what it is for, with the variable that sets it and its default."""
    if parameter.param_type_name == _ARGUMENT:
        term = f"{spelled(parameter)}{'...' * (parameter.nargs == -1)}"
    else:
        names = sorted([*parameter.opts, *parameter.secondary_opts], key=len)
        value = "" if parameter.is_flag else f" {parameter.metavar or takes(parameter).metavar}"
        term = f"{', '.join(names)}{value}"
    extra = [f"[env: {parameter.envvar}]"] if parameter.envvar else []
    extra += ["[required]"] if parameter.required and parameter.param_type_name != _ARGUMENT else []
    default = _default(parameter)
    extra += [f"[default: {default}]"] if default else []
    help_text = " ".join((parameter.help or "").split())
    return term, " ".join([help_text, *extra]).strip()


def _default(parameter: Any) -> str:
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return shown
    if not shown or value is None or value is False or callable(value):
        return ""
    if value is True:
        return spelled(parameter)
    return f"{value:g}" if isinstance(value, float) else f"{value}"
