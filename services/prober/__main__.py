"""Run one prober: `python -m services.prober`."""

from services.prober.bootstrap import bootstrap
from services.prober.settings import Settings
from shared.kit.service import run_service


def main() -> None:
    """Settings, logging, bootstrap, run."""
    run_service("prober", Settings, bootstrap)


if __name__ == "__main__":
    main()
