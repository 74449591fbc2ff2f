"""Where Postgres may live and as whom, when we are root: it refuses to run as root."""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from cli.runtime.child import Account
from cli.runtime.postgres import LONGEST_SOCKET_PATH, MAJOR, SOCKET_NAME, wheel_folder
from shared.kit.errors import Unusable

RELOCATED: Final = Path("/var/lib/hypercare")
"""Where a cluster goes whose own folder its user cannot reach (a clone under /root, say)."""


def account_for(cluster: Path) -> Account | None:
    """As whom Postgres runs: as ourselves, or when we are root as the cluster's owner, a new one as `hypercare`.

    Without a user of that name as `nobody`: initdb wants a name for its user, and this one exists on every machine.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = cluster.stat()
    except FileNotFoundError:
        for name in ("hypercare", "nobody"):
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return Account(entry.pw_uid, entry.pw_gid)
        raise Unusable(
            "Postgres refuses to run as root and there is no user `hypercare` or `nobody`: run as a user"
        ) from None
    if owner.st_uid == 0:
        raise Unusable(f"{cluster} belongs to root, as whom Postgres refuses to run: chown it to an ordinary user")
    return Account(owner.st_uid, owner.st_gid)


def is_open_to_all(path: Path) -> bool:
    """Whether any user may pass through this folder and all those above it."""
    path = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def place_cluster(folder: Path) -> Path:
    """The cluster's path for a data folder: `<folder>/postgres`, or where a link of that name points.

    The link is made when we are root and the user that Postgres runs as cannot reach the data folder; it is how
    the place is remembered.
    """
    path = folder / "postgres"
    if path.is_symlink():
        return path.readlink()
    if path.exists() or os.geteuid() != 0 or is_open_to_all(folder):
        return path
    RELOCATED.mkdir(mode=0o711, parents=True, exist_ok=True)
    place = RELOCATED / secrets.token_hex(8)
    place.mkdir(mode=0o711)
    path.symlink_to(place / "postgres")
    return place / "postgres"


def reachable_binaries(account: Account | None) -> Path:
    """The folder of the programs, copied (about 40 MB, once per version) where `account` cannot reach the wheel."""
    wheel = wheel_folder()
    inside = Path(wheel.name) / f"pginstall{MAJOR}"
    if account is None or is_open_to_all(wheel / inside.name / "bin"):
        return wheel / inside.name / "bin"
    postgres = (wheel / inside.name / "bin" / "postgres").stat()
    version = hashlib.sha256(f"{wheel} {postgres.st_size} {postgres.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = RELOCATED / f"postgres-{MAJOR}-{version}"
    if not copy.exists():
        RELOCATED.mkdir(mode=0o711, parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix="half-", dir=RELOCATED))
        shutil.copytree(wheel / inside.name, half / inside, symlinks=True)
        libraries = wheel.with_name(f"{wheel.name}.libs")  # found by the programs relative to themselves
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        half.chmod(0o755)
        try:
            half.rename(copy)
        except OSError:  # another start was faster
            shutil.rmtree(half)
    return copy / inside / "bin"


def make_private(folder: Path, account: Account | None) -> Path:
    """Create the folder, or take it back, for one user alone (0700)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.uid, account.gid)
    folder.chmod(0o700)
    return folder


def place_sockets(preferred: Path, account: Account | None) -> Path:
    """A private folder for the socket: `preferred`, or one in /tmp where that is too long or out of reach.

    In the second case `preferred` becomes a link to it, so that the next start finds it again.
    """
    owner = account.uid if account else os.geteuid()
    if preferred.is_symlink():
        place = preferred.readlink()
        if place.is_dir() and not place.is_symlink() and place.lstat().st_uid == owner:
            return make_private(place, account)
        preferred.unlink()
    too_long = len(os.fsencode(preferred / SOCKET_NAME)) > LONGEST_SOCKET_PATH
    if not too_long and (account is None or is_open_to_all(preferred.parent)):
        return make_private(preferred, account)
    place = make_private(Path(tempfile.mkdtemp(prefix="hypercare-", dir="/tmp")), account)
    preferred.symlink_to(place)
    return place
