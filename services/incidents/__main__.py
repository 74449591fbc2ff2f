"""Start a replica: `python -m services.incidents`."""

from services.incidents.bootstrap import bootstrap
from services.incidents.settings import Settings
from shared.kit.service import run_service


def main() -> None:
    """Run until a signal."""
    run_service("incidents", Settings, bootstrap)


if __name__ == "__main__":
    main()
