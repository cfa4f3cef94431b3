"""The laboratory: fill a GPU or a CPU with the cells of a study, and compare the finished ones (docs/laboratory.md).

python scripts/lab.py run studies/e5-small.toml --pack e5-small.tar --minutes 8 --workers 12 --device cuda
python scripts/lab.py table studies/e5-small.toml
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    # Import from this checkout, whether otx is installed or not.
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]
    from scripts.laboratory.site import enter

    enter()
    from scripts.laboratory.command import main

    sys.exit(main())
