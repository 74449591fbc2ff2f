"""`python -m services.console`."""

from services.console.bootstrap import bootstrap
from services.console.settings import Settings
from shared.kit.service import run_service

if __name__ == "__main__":
    run_service("console", Settings, bootstrap)
