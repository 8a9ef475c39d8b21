"""Whether bytes are the published ones."""

from __future__ import annotations

from pathlib import Path

from senet_cli.catalogue.entries import CheckpointFile, MemberDigest
from senet_cli.errors import CheckpointError, DigestError, advise
from senet_cli.store import archives

_NOTHING_INSTALLED = "Nothing was installed. The file is damaged or was replaced."


def check_published(
    file: CheckpointFile, path: Path, sha256: str, origin: str, content_type: str = ""
) -> None:
    """Make sure that the bytes at `path`, whose SHA-256 is known, are those that the manifest means.

    Args:
        file: the manifest's description.
        path: where the bytes are.
        sha256: their digest, 64 hexadecimal digits.
        origin: where they came from, for the message.
        content_type: what a server called them.

    Raises:
        DigestError: they are others.
        CheckpointError: an archive that holds something else than one plain, believable member.
    """
    if file.digest.excludes(sha256):
        raise wrong_digest(f"SHA-256 {sha256}, published {file.digest}", origin, content_type, sha256)
    if isinstance(file.digest, MemberDigest):
        if not _is_zip(path):
            raise wrong_digest("this is not a zip archive", origin, content_type, sha256)
        name, sha1 = archives.sha1_of(path, origin)
        if (name, sha1) != (file.digest.member, file.digest.sha1):
            found = f"`{name[:80]}` with SHA-1 {sha1}, published {file.digest}"
            raise wrong_digest(found, origin, content_type, sha256)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def is_published(file: CheckpointFile, path: Path, sha256: str) -> bool:
    """Return True if the bytes at `path` are those that the manifest means; see `check_published`."""
    try:
        check_published(file, path, sha256, str(path))
    except (DigestError, CheckpointError):
        return False
    return True


def wrong_digest(found: str, origin: str, content_type: str, sha256: str) -> DigestError:
    """Make the error for bytes that are not the published ones."""
    kind = kind_of(content_type)
    return DigestError(
        f"{origin}: these are not the published bytes{kind}: {found}",
        _NOTHING_INSTALLED,
        advise("bring-file"),
        sha256=sha256,
    )


def kind_of(content_type: str) -> str:
    """Name a type of content only if it explains something: a login page in place of the file."""
    return f" (the server calls it {content_type})" if content_type.startswith("text/") else ""
