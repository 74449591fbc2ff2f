"""Run one replica of the evaluator: `python -m services.evaluator`."""

from services.evaluator.bootstrap import SERVICE, bootstrap
from services.evaluator.settings import Settings
from shared.kit.service import run_service

if __name__ == "__main__":
    run_service(SERVICE, Settings, bootstrap)
