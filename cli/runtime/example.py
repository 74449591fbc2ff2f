"""The example's own processes: a small ERP that fails on demand, and the sinks that show what arrived."""

import json
import sys
import urllib.request
from typing import Final
from urllib.error import URLError

from cli.runtime.child import DATA_MARKER, Launch
from cli.runtime.folder import DataFolder
from cli.runtime.installation import ROOT, SHARED_WITH_CHILDREN
from cli.runtime.ports import Ports
from cli.runtime.supervisor import ProcessSpec
from shared.kit.settings import environment

CONFIGURATION: Final = ROOT / "examples" / "erp" / "hypercare.yaml"
DEMO_CONFIGURATION: Final = ROOT / "examples" / "erp" / "demo.yaml"
USUAL_PORTS: Final = {"erp": 3001, "smtp": 2525, "sinks": 8025}
WEBHOOK_SECRET: Final = "drill-secret-of-the-example"  # noqa: S105  # the sinks' own, known to everybody


def choose_ports(ports: Ports) -> None:
    """The example's ports, besides the installation's."""
    for name, usual in USUAL_PORTS.items():
        ports.choose(name, usual=usual)
    ports.choose("erp_admin")


def variables(ports: Ports) -> dict[str, str]:
    """What the example's configuration names in `${…}`."""
    return {
        "ERP_URL": erp_url(ports),
        "SINK_SMTP_PORT": str(ports.chosen["smtp"]),
        "SINK_URL": sinks_url(ports),
    }


def secrets(ports: Ports) -> dict[str, str]:
    """What it references as `env:…`: accounts at the sinks."""
    return {
        "TWILIO_SID": "AC" + "0" * 32,
        "TWILIO_TOKEN": "drill-token-of-the-example",
        "SLACK_WEBHOOK": f"{sinks_url(ports)}/services/T0DRILL/B0DRILL/secret",
        "EVENTS_URL": f"{sinks_url(ports)}/hooks/drill",
        "EVENTS_SECRET": WEBHOOK_SECRET,
    }


def erp_url(ports: Ports) -> str:
    """Where the example ERP answers."""
    return f"http://127.0.0.1:{ports.chosen['erp']}"


def erp_admin_url(ports: Ports) -> str:
    """Its switchboard."""
    return f"http://127.0.0.1:{ports.chosen['erp_admin']}"


def sinks_url(ports: Ports) -> str:
    """The inbox."""
    return f"http://127.0.0.1:{ports.chosen['sinks']}"


def specs(folder: DataFolder, ports: Ports) -> list[ProcessSpec]:
    """How the two are started."""
    env = {name: value for name, value in environment().items() if name in SHARED_WITH_CHILDREN}
    env |= {"PYTHONUNBUFFERED": "1", DATA_MARKER: str(folder.path)}
    chosen = {name: str(port) for name, port in ports.chosen.items()}
    erp = Launch(
        (sys.executable, "-m", "examples.erp.app", "--port", chosen["erp"], "--admin-port", chosen["erp_admin"]),
        env,
        cwd=ROOT,
    )
    sinks = Launch(
        (
            sys.executable, "-m", "cli.drill.sinks", "--data", str(folder.path / "sinks"),
            "--smtp-port", chosen["smtp"], "--http-port", chosen["sinks"], "--webhook-secret", "env:EVENTS_SECRET",
        ),
        {**env, "EVENTS_SECRET": WEBHOOK_SECRET},
        cwd=ROOT,
    )  # fmt: skip
    return [
        ProcessSpec("erp", lambda: erp, lambda: _answers(f"{erp_admin_url(ports)}/switch"), stop_timeout_s=2.0),
        ProcessSpec("sinks", lambda: sinks, lambda: _answers(f"{sinks_url(ports)}/received.json"), stop_timeout_s=2.0),
    ]


def _answers(url: str) -> bool:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=2) as answer:
            json.load(answer)
    except (URLError, OSError, ValueError):
        return False
    return True
