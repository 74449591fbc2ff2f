"""Write the published schema: `python -m shared.config.schema > docs/config.schema.json`."""

import json
import sys

from shared.config.editor_schema import json_schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
