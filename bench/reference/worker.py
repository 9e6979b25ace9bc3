"""Does one piece of work with PyTorch, as ../worker.ts does with the built package.

    python bench/reference/worker.py WORK

WORK is JSON (see ../work.ts); `model` is a Hugging Face folder. Says in JSON lines that it is ready, then does the
work once for each line of standard input, and answers with seconds and the most bytes that it has had resident.
"""

import json
import os
import resource
import sys
import time
from importlib.metadata import version

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from works import PREPARE


def answer(message):
    """Writes one line; libraries that print would disturb it, so they print elsewhere."""
    OUT.write(json.dumps(message) + "\n")
    OUT.flush()


def main():
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    work = json.loads(sys.argv[1])
    repeat = PREPARE[work["kind"]](work)
    packages = ("torch", "transformers", "peft", "tptt")
    answer({"versions": {f"Python's {name}" if name == "tptt" else name: version(name) for name in packages}})
    for _ in sys.stdin:
        start = time.perf_counter()
        seconds = repeat() or time.perf_counter() - start
        answer({"seconds": seconds, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})


OUT = sys.stdout
sys.stdout = sys.stderr
main()
