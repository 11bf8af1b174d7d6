"""`python counted.py FILE COMMAND ...`: `relay` or `simulator` with these arguments; at each SIGUSR1 it writes into FILE how
many asyncio tasks it has.
"""

import asyncio
import runpy
import signal
import sys
from pathlib import Path


def main() -> None:
    """Run the command in this process."""
    _, file, command, *arguments = sys.argv

    def count(*_: object) -> None:
        part = Path(f"{file}.part")
        part.write_text(str(len(asyncio.all_tasks())))
        part.rename(file)

    signal.signal(signal.SIGUSR1, count)
    sys.argv = [command, *arguments]
    runpy.run_module(command, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
