#!/usr/bin/env python3
"""Times what a user waits for: from the start of the program to the first byte of the answer, and to its end.

    bench/start/first_token.py FILE [--mmproj FILE] [--cold] [--runs N] [--tarsier PROGRAM]

Prints medians beside what computing takes by `tarsier bench`.  --cold: the file is dropped from memory before each run.
A file just written lies in memory in small pages, which cost more to map than those that reading makes: for a warm start
as it is after a reboot, run it once with --cold.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from page_cache import drop

PROMPT = ["--prompt", "Hi", "--temperature", "0", "--max-tokens", "1"]


def run(command):
    """-> seconds to the first byte on standard output, to the end."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        first = time.perf_counter() - start
        _, errors = process.communicate()
        end = time.perf_counter() - start
    if process.returncode:
        sys.exit(errors.decode().strip())
    return first, end


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file")
    ap.add_argument("--mmproj")
    ap.add_argument("--cold", action="store_true")
    ap.add_argument("--runs", type=int, default=7)
    ap.add_argument("--tarsier", default=str(Path(__file__).parents[2] / "build/tarsier"))
    options = ap.parse_args()
    model = ["-m", options.file] + (["--mmproj", options.mmproj] if options.mmproj else [])

    found = json.loads(subprocess.run([options.tarsier, "run", *model, *PROMPT, "--json"], check=True, capture_output=True).stdout)
    tokens = found["stats"]["prompt_tokens"]
    times = []
    for _ in range(options.runs):
        if options.cold:
            drop(options.file)
        times.append(run([options.tarsier, "run", *model, *PROMPT]))
    bench = [options.tarsier, "bench", *model, "--prompt", str(tokens), "--generate", "0", "--repeat", "9", "--json"]
    seconds = json.loads(subprocess.run(bench, check=True, capture_output=True).stdout)["prompt"]["seconds"]
    first, end = (statistics.median(column) for column in zip(*times))
    print(f"first byte {1000 * first:.0f} ms, end {1000 * end:.0f} ms; reading {tokens} tokens takes {1000 * seconds:.0f} ms of it: {1000 * (first - seconds):.0f} ms over it to the first byte")


if __name__ == "__main__":
    main()
