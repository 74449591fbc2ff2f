"""`python -m services.notifier`."""

from services.notifier.bootstrap import bootstrap
from services.notifier.settings import Settings
from shared.kit.service import run_service

if __name__ == "__main__":
    run_service("notifier", Settings, bootstrap)
