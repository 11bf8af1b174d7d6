"""`make fuzz`: FUZZ_REQUESTS (20000) requests with FUZZ_SEED (of the time); exit status 1 if anything was wrong."""

import os
import sys
import time

from fuzz.run import run


def main() -> int:
    """Say how it goes, then every fault."""
    number = int(os.environ.get("FUZZ_REQUESTS", "20000"))
    seed = int(os.environ.get("FUZZ_SEED", time.time()))
    began = time.monotonic()
    print(f"{number} requests, FUZZ_SEED={seed}", flush=True)
    faults = run(number, seed, lambda line: print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True))
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
