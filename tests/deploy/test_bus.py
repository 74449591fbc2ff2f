"""The real nats-server takes the configuration, the environment and the secrets that an overlay gives it."""

import re
import subprocess
from pathlib import Path

from cli.keys import write_missing
from cli.runtime.nats import find_nats_server
from tests.deploy.deployed import Object, named


def test_the_bus_takes_its_configuration(objects: list[Object], tmp_path: Path) -> None:
    pod = named(objects, "StatefulSet")["nats"]["spec"]["template"]["spec"]
    [box] = pod["containers"]
    [volume] = [one for one in pod["volumes"] if one["name"] == "config"]
    files = named(objects, "ConfigMap")[volume["configMap"]["name"]]["data"]
    config, secrets = tmp_path / "etc/nats", tmp_path / "run/secrets"
    config.mkdir(parents=True)
    for name, text in files.items():
        (config / name).write_text(text.replace('"/data"', f'"{tmp_path}/data"'), encoding="utf-8")
    write_missing(tmp_path / "keys", "postgres:5432/hypercare")
    secrets.parent.mkdir()
    (tmp_path / "keys/nats").rename(secrets)

    flag, path, *more = box["args"]
    argv = [find_nats_server(), flag, config / Path(path).name, *more, "-t"]
    done = subprocess.run(argv, env=_environment(box, secrets), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def _environment(box: Object, secrets: Path) -> dict[str, str]:
    """As the kubelet resolves it: fields of the pod, keys of a Secret, and variables named before."""
    env: dict[str, str] = {}
    for one in box.get("env", []):
        source = one.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = (secrets / source["secretKeyRef"]["key"]).read_text(encoding="utf-8").strip()
        elif "fieldRef" in source:
            value = "nats-0"
        else:
            value = re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], one["value"])
        env[one["name"]] = value
    return env
