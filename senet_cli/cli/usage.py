"""What is wrong with a command line, in one form, whether Typer or senet found it."""

from __future__ import annotations

import re
from typing import Any

from typer import TyperException

from senet_cli.cli.help import spelled
from senet_cli.errors import UsageError

_UNKNOWN_COMMAND = re.compile(r"No such command '(.*?)'(?:\. Did you mean (.*)\?)?", re.DOTALL)
_SUGGESTIONS = 3


def as_usage_error(error: TyperException) -> UsageError:
    """Put an error of Typer's in our words."""
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context else "senet"
    return UsageError(_message(error, context), *_meant(error), f"`{path} -h` explains it.")


def _message(error: Any, context: Any) -> str:
    parameter = getattr(error, "param", None)
    if parameter is not None:
        return f"{_named(parameter, context)} {error.message}"
    text = str(error.message).strip()
    flag = getattr(error, "option_name", None)
    if flag is not None:
        if "No such option" in text:
            return f"there is no option `{flag}`"
        return f"`{flag}` takes no value" if "does not take" in text else f"`{flag}` needs a value"
    if extra := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", text, re.DOTALL):
        return f"`{extra[1]}` was not expected"
    if unknown := _UNKNOWN_COMMAND.match(text):
        return f"there is no command `{unknown[1]}`"
    return f"{text[:1].lower()}{text[1:].rstrip('.')}"


def _named(parameter: Any, context: Any) -> str:
    """Call a parameter by its name, or by the variable from which its value came."""
    source = context.get_parameter_source(parameter.name) if context else None
    if source is not None and source.name == "ENVIRONMENT":
        return str(parameter.envvar)
    return f"`{spelled(parameter)}`"


def _meant(error: Any) -> list[str]:
    found = sorted(getattr(error, "possibilities", None) or ())
    unknown = _UNKNOWN_COMMAND.match(str(error.message))
    if unknown and unknown[2]:
        found = re.findall("'(.*?)'", unknown[2])
    found = found[:_SUGGESTIONS]
    return [f"Did you mean {' or '.join(f'`{name}`' for name in found)}?"] if found else []
