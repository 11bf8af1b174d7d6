"""Node's crypto, which nobody here wrote, reads the published vectors as the bridge does."""

import json
import subprocess
from pathlib import Path

VECTORS = Path(__file__).parents[3] / "docs" / "encryption-vectors.json"


def test_node_opens_what_opens_and_refuses_what_does_not() -> None:
    script = Path(__file__).parent / "vectors.mjs"
    done = subprocess.run(["node", script, VECTORS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert json.loads(done.stdout) == {
        name: len(vectors[name]) for name in ("envelopes", "refused", "proofs")
    }
