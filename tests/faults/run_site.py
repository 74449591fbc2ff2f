"""`python -m tests.faults.run_site '{"file": …, "data": …, "scale": {…}, "crash": {…}}'`: a real site until a signal.

The same as `hypercare up --example`, but that services can be told where to die (`shared.kit.crash_points`). Writes
`faults.json` beside the data folder: what a test needs and `runtime.json` rightly does not say.
"""

import asyncio
import json
import sys
from pathlib import Path

from cli.runtime.site import Request, Site, run


def main() -> None:
    """Run until SIGTERM."""
    wanted = json.loads(sys.argv[1])
    data = Path(wanted["data"])
    request = Request(
        file=Path(wanted["file"]) if wanted["file"] else None,
        data=data,
        scale=wanted["scale"],
        example=True,
        crash_files={service: Path(path) for service, path in wanted["crash"].items()},
    )

    async def afterwards(site: Site) -> None:
        system = site.system
        told = {
            "nats_url": system.nats_url,
            "nats_password": system.nats_password,
            "database_urls": dict(system.database_urls),
            "incidents_url": system.incidents_url,
            "notifier_url": system.notifier_url,
            "token": system.token,
            "ports": dict(site.home.ports.chosen),
        }
        unfinished = data.parent / "faults.json.new"
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        unfinished.rename(data.parent / "faults.json")
        await site.supervisor.wait()

    asyncio.run(run(request, afterwards))


if __name__ == "__main__":
    main()
