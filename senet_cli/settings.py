"""Settings from the environment. Options on the command line come first, defaults last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from senet_cli.errors import DiskError, UsageError

DEFAULT_MODEL = "seresnet50"
BUNDLED_MODEL = "seresnet32-cifar10.senet"
"""What comes with the package, for where the default cannot be had."""
_MAX_DIGITS = 9
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie and what is allowed.

    Args:
        cache: folder for downloaded checkpoints; it need not exist yet.
        manifest: a manifest that adds or replaces entries, or None.
        offline: True if no socket may be opened.
        model: the one to use where none is named on the command line; None: the default may be chosen.
        cache_path: more caches below the user's own, which are only read.
        lock_timeout: seconds to wait for another process that fetches the same file.
        models: folder of the models that were imported; it need not exist yet. None: there is no home folder.
    """

    cache: Path
    manifest: Path | None = None
    offline: bool = False
    model: str | None = None
    cache_path: tuple[Path, ...] = ()
    lock_timeout: float = 600.0
    models: Path | None = None

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] = os.environ,
        *,
        manifest: Path | None = None,
        offline: bool | None = None,
    ) -> Settings:
        """Merge given options (None: not given) over `SENET_*` over the defaults.

        Raises:
            UsageError: a variable holds nonsense.
            DiskError: there is no home folder to put a cache in.
        """
        if manifest is None and environment.get("SENET_MANIFEST"):
            manifest = Path(environment["SENET_MANIFEST"])
        if offline is None:
            offline = _flag("SENET_OFFLINE", environment)
        below = filter(None, environment.get("SENET_CACHE_PATH", "").split(os.pathsep))
        return cls(
            cache=_folder(environment.get("SENET_CACHE")),
            manifest=manifest,
            offline=offline,
            model=environment.get("SENET_MODEL") or None,
            cache_path=tuple(map(_folder, below)),
            lock_timeout=_seconds("SENET_LOCK_TIMEOUT", environment, default=600.0),
            models=_models(environment.get("SENET_MODELS")),
        )


def debugging(environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if bugs in senet are to show their traceback."""
    return environment.get("SENET_DEBUG", "").strip().lower() in _TRUE


def _flag(name: str, environment: Mapping[str, str]) -> bool:
    value = environment.get(name, "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(f"`{name}` is `{value}`", "Set it to 1 or 0.")


def _seconds(name: str, environment: Mapping[str, str], default: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise UsageError(f"`{name}` is `{text[:80]}`", "Set it to a whole number of seconds.")
    return float(text)


def _folder(chosen: str | None) -> Path:
    """Find the folder that was chosen, or the user's own for caches."""
    try:
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        return Path(platformdirs.user_cache_dir("senet", appauthor=False))
    except (RuntimeError, KeyError) as error:
        raise DiskError(
            f"there is no home folder for the cache: {error}",
            "Set SENET_CACHE to a folder that can be written.",
        ) from error


def _models(chosen: str | None) -> Path | None:
    """Find the chosen folder, or one among the user's own data: a cache may be emptied, this may not."""
    try:
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        return Path(platformdirs.user_data_dir("senet", appauthor=False)) / "models"
    except (RuntimeError, KeyError):  # without a home folder nothing was imported
        return None
