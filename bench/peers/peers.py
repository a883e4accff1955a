#!/usr/bin/env python3
"""Measures Tarsier and its peers on the same work, on this machine, in turn, and prints one table.  Needs python3 and the built program; the rest it installs and makes.

    bench/peers/peers.py                               # everything: about an hour the first time, 25 GB of files
    bench/peers/peers.py --only prompt-512,llama.cpp   # some rows, some peers
    bench/peers/peers.py --quick --no-install          # the bundled tiny model: does it work?

Nothing else should run meanwhile.  A peer that fails says why and leaves the others.  Ctrl-C ends with the rows that are done.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import venv

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import engines
import page_cache
import plot
import rows
from models import ROOT, Models


def parse():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [row.name for row in rows.ROWS] + [peer.name for peer in engines.PEERS]
    ap.add_argument("--folder", default=os.path.expanduser("~/.cache/tarsier-peers"), help="for packages, checkpoints and files [%(default)s]")
    ap.add_argument("--tarsier", default=os.path.join(ROOT, "build/tarsier"), help="the program [build/tarsier]")
    ap.add_argument("--only", default="", metavar="NAMES", help="rows and peers, with commas between: " + ", ".join(names))
    ap.add_argument("--runs", type=int, default=5, help="the median of so many counts [5]")
    ap.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every engine [all cores]")
    ap.add_argument("--limit", type=float, default=600, help="seconds for the runs of one peer's variant of one row; those done in time count; Tarsier has five times as long [600]")
    ap.add_argument("--ik", default="", metavar="FOLDER", help="with ik_llama.cpp's llama-bench and llama-mtmd-cli")
    ap.add_argument("--torch-python", default="", metavar="PROGRAM", help="a python that has torch and transformers already")
    ap.add_argument("--no-install", action="store_true", help="take what packages there are")
    ap.add_argument("--make-only", action="store_true", help="install and make all files, measure nothing")
    ap.add_argument("--quick", action="store_true", help="small rows on the bundled tiny model")
    ap.add_argument("--markdown", metavar="FILE", help="write the dated section for bench/RESULTS.md")
    ap.add_argument("--svg", metavar="FILE", help="write the plot")
    ap.add_argument("--json", metavar="FILE", help="write all figures")
    options = ap.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    options.rows = rows.QUICK if options.quick else rows.ROWS
    unknown = wanted - set(names) - {row.name for row in options.rows}
    if unknown:
        ap.error(f"--only: there is no {', '.join(sorted(unknown))}; wanted some of {', '.join(names)}")
    if any(row.name in wanted for row in options.rows):
        options.rows = [row for row in options.rows if row.name in wanted]
    options.peers = [peer for peer in engines.PEERS if peer.name in wanted] or list(engines.PEERS)
    return options


def install(options):
    """-> the python of the environment.  A package that cannot be had is a message: its peer will fail."""
    folder = os.path.join(options.folder, "venv")
    python = os.path.join(folder, "bin/python")
    if options.no_install:
        return python if os.path.exists(python) else sys.executable
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
    for package in ["numpy"] + sorted({p for peer in options.peers for p in peer.packages}):
        has = subprocess.run([python, "-m", "pip", "show", "-q", package], capture_output=True, check=False).returncode == 0
        if has:
            continue
        print(f"installing {package}", file=sys.stderr, flush=True)
        flags = ["--no-binary", package] if package == "llama-cpp-python" else []  # built here, for this processor
        done = subprocess.run([python, "-m", "pip", "install", *flags, package], env={**os.environ, **engines.LLAMA_OPTIONS}, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{package}: {engines.last_line(done.stderr)}", file=sys.stderr, flush=True)
    return python


def measure(engine, row, files, options):
    """-> {"value", "label", ...} of the best variant, or {"why"}.  One run of each finds the best, which is then measured."""
    why = []

    def timed(label, job, runs):
        print(f"{row.name}: {engine.name}, {label}, {runs} run{'s' if runs > 1 else ''}", file=sys.stderr, flush=True)
        try:
            found = engine.measure(row, job, runs, options.threads, options.limit)
            seconds = statistics.median(found["seconds"])
            return {"runs": len(found["seconds"]), **found, "label": label, "value": seconds if row.unit == "s" else found["tokens"] / seconds, "median": seconds}
        except (engines.Failure, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            why.append(f"{label}: {error}")
            return None

    try:
        variants = list(engine.variants(row, files))
    except (engines.Failure, RuntimeError, OSError) as error:
        return {"why": str(error)}
    tried = []
    if len(variants) > 1 and options.runs > 1:
        for label, job in variants:
            start = time.monotonic()
            if found := timed(label, job, 1):
                tried.append((found, job, time.monotonic() - start))
        tried.sort(key=lambda t: t[0]["median"])
        variants = [(found["label"], job) for found, job, took in tried[:1] if took < options.limit / 2]  # else another go would hardly hold more runs
    found = [f for f in (timed(label, job, options.runs) for label, job in variants) if f] or [t[0] for t in tried[:1]]
    return {**min(found, key=lambda f: f["median"], default={}), "why": "; ".join(why)}


def files_for(row, models, options, cache):
    """-> the files that peers read, or None and a message where they cannot be made."""
    if row.model not in cache:
        try:
            peer = engines.LlamaCpp(options, models)
            cache[row.model] = models.quantized(row.model, peer.quantize)
        except (RuntimeError, engines.Failure, OSError) as error:
            print(f"{row.model}: no files for llama.cpp: {error}", file=sys.stderr, flush=True)
            cache[row.model] = None
    return cache[row.model]


def all_figures(options, figures):
    """Fills figures, row by row."""
    models = Models(options.folder, options.tarsier, install(options))
    cache = {}
    for row in options.rows:
        chosen = [peer for peer in options.peers if peer.name in row.peers]
        try:
            files = files_for(row, models, options, cache) if chosen or options.make_only else None
            if options.make_only:
                list(engines.Tarsier(options, models).variants(row, files))
                continue
            drop_files(options.folder)
            found = {e.name: measure(e(options, models), row, files, options) for e in [engines.Tarsier, *chosen]}
        except (RuntimeError, OSError) as error:  # not even a checkpoint
            found = {"tarsier": {"why": str(error)}}
        figures.append({"name": row.name, "title": row.title, "unit": row.unit, "wanted": row.wanted, "share_wanted": row.share, "engines": found})


def drop_files(folder):
    """So that their pages are as the first engine of a row reads them: as on any other day."""
    for name in os.listdir(folder):
        if name.endswith(".gguf"):
            page_cache.drop(os.path.join(folder, name))


def ratios(figure):
    """By peer that was measured: how many times as fast as it we are."""
    def seconds(found):
        return found["median"] / (found["tokens"] if figure["unit"] != "s" else 1)

    ours = figure["engines"]["tarsier"]
    if "median" not in ours:
        return {}
    return {name: seconds(e) / seconds(ours) for name, e in figure["engines"].items() if name != "tarsier" and "median" in e}


def cell(found, runs):
    if found is None:
        return ""
    if "value" not in found:
        return "not done" if "not done" in found["why"] else "failed"
    value = found["value"]
    notes = [found["label"]] + ([f"{found['runs']} of {runs} runs in time"] if found["runs"] < runs else [])
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} ({', '.join(notes)})"


def machine_text(figures, options):
    found = next((f["engines"]["tarsier"]["machine"] for f in figures if "machine" in f["engines"]["tarsier"]), None)
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            name = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), name)
    text = f"{name}, {options.threads} threads"
    if found:
        text += f", kernels {found['isa']}; limits: memory {found['gb_per_second']:.1f} GB/s, int8 {found['int8_gops']:.0f} GOP/s, f32 {found['f32_gops']:.0f} GOP/s"
    return text


def markdown(figures, options):
    """The dated section, as bench/RESULTS.md has them."""
    names = ["tarsier"] + [peer.name for peer in options.peers]
    lines = [f"## {datetime.date.today()}, beside its peers: {machine_text(figures, options)}", "",
             f"`bench/peers/peers.py{' --quick' if options.quick else ''} --runs {options.runs} --threads {options.threads} --limit {options.limit:.0f}`: random weights, medians of {options.runs} runs, every engine with its best flags (those of one run of each), in turn.",
             "Behind a peer's figure: how many times as fast Tarsier is, and in brackets how many were wanted. The limit is what `tarsier bench` finds that this machine could do.", "",
             "| work | unit | " + " | ".join(names) + " | of the limit |", "|---|---|" + "---|" * (len(names) + 1)]
    for f in figures:
        times = ratios(f)
        cells = [cell(f["engines"].get(n), options.runs) + (f", **x {times[n]:.2f}** ({f['wanted'][n]:.2f})" if n in times else "") for n in names]
        share = f["engines"]["tarsier"].get("share_of_limit")
        wanted = f" ({100 * f['share_wanted']:.0f} %)" if f["share_wanted"] else ""
        lines.append(f"| {f['title']} | {f['unit']} | " + " | ".join(cells) + f" | {'' if share is None else f'{100 * share:.0f} %{wanted}'} |")
    reasons = [f"- {f['title']}, {name}: {e['why']}" for f in figures for name, e in f["engines"].items() if e.get("why")]
    if reasons:
        lines += ["", "Not measured:", "", *reasons]
    return "\n".join(lines) + "\n"


def main():
    options = parse()
    if not os.access(options.tarsier, os.X_OK):
        sys.exit(f"{options.tarsier}: there is no such program; ./test.sh --quick or ./demo.sh builds it")
    options.folder = os.path.abspath(options.folder)
    figures = []
    try:
        all_figures(options, figures)
    except KeyboardInterrupt:
        print("interrupted: the rest of the rows is missing", file=sys.stderr)
    if options.make_only:
        return
    text = markdown(figures, options)
    for path, content in ((options.markdown, text), (options.json, json.dumps(figures, indent=1) + "\n"), (options.svg, plot.bars(figures, machine_text(figures, options)))):
        if path:
            with open(path, "w", encoding="utf-8") as f:
                f.write(content)
    print(text, end="")
    if not any("value" in f["engines"]["tarsier"] for f in figures):
        sys.exit("nothing could be measured")


if __name__ == "__main__":
    main()
