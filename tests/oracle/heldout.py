#!/usr/bin/env python3
"""Convert, trace and compare: is the engine right on shapes that none of its tests know?  One line per case.

FOLDER holds <shape>/checkpoint and <shape>/<case>/messages.json with dump.safetensors and result.json, as make_heldout.py writes them; a
sub-folder without_outer_markers of a case holds the dump of the same conversation with the prompt as transformers 4.57 wrote a video.
With --checkpoint, FOLDER is one <shape> and its checkpoint lies elsewhere: for the fixtures of the tiny models.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from compare import compare

INNER = "without_outer_markers"


def cases(folder):
    """-> [(name, case folder, folder of the dump, markers around whole videos?)]"""
    out = []
    for case in sorted(os.listdir(folder)):
        d = os.path.join(folder, case)
        if os.path.exists(os.path.join(d, "messages.json")) and os.path.exists(os.path.join(d, "dump.safetensors")):
            inner = os.path.join(d, INNER)
            out.append((case, d, d, os.path.isdir(inner)))
            if os.path.isdir(inner):
                out.append((f"{case}/{INNER}", d, inner, False))
    return out


def call(command, show):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if show or done.returncode:
        print("$", " ".join(command), done.stdout, sep="\n", flush=True)
    return done.returncode == 0


def run_shape(a, shape, folder, checkpoint, scratch):
    """-> (cases, failed cases)."""
    model = os.path.join(scratch, "model.gguf")
    if not call([a.tarsier, "convert", checkpoint, "-o", model, "--type", a.type, "--vision-type", a.vision_type] + a.convert_args.split(), a.verbose):
        print(f"{shape:34s} FAILED: convert", flush=True)
        return 1, 1
    todo = [c for c in cases(folder) if not a.cases or c[0].split("/")[0] in a.cases.split(",")]
    failed = 0
    for case, d, reference, markers in todo:
        trace = os.path.join(scratch, "trace.safetensors")
        with open(os.path.join(reference, "result.json"), encoding="utf-8") as f:
            tokens = len(json.load(f)["greedy_ids"])
        ok = call([a.tarsier, "trace", "-m", model, "--messages", os.path.join(d, "messages.json"), "-o", trace, "--greedy", str(tokens)]
                  + ["--video-markers", "outer" if markers else "inner"] + a.trace_args.split(), a.verbose)
        line = f"{shape:34s} {case:38s}"
        if ok:
            report = compare(reference, trace, a.bound, a.logit_bound)
            worst = report.worst()
            print(f"{line} {len(report.rows):3d} values, worst {worst[1]} at {worst[0]:.3f} of its bound{'' if not report.failures else '   FAILED'}", flush=True)
            for note in report.notes:
                print("    note:", note)
            if report.failures:
                first = report.first_bad()
                print(f"    {len(report.failures)} failures; first value over its bound in the order of computation: {first[1] if first else 'none'}")
                for f in report.failures[:a.failures]:
                    print("    FAILED", f, flush=True)
            ok = not report.failures
        else:
            print(line, "  FAILED: trace", flush=True)
        failed += not ok
    os.unlink(model)
    return len(todo), failed


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder")
    ap.add_argument("tarsier", help="the program")
    ap.add_argument("--checkpoint", help="checkpoint of the cases in FOLDER, which is then one shape")
    ap.add_argument("--only", help="comma-separated subset of the shapes")
    ap.add_argument("--cases", help="comma-separated subset of the cases")
    ap.add_argument("--type", default="f32")
    ap.add_argument("--vision-type", default="f32")
    ap.add_argument("--convert-args", default="", help="more arguments for `tarsier convert`, in one string")
    ap.add_argument("--trace-args", default="", help="more arguments for `tarsier trace`, in one string")
    ap.add_argument("--bound", type=float, default=1e-4)
    ap.add_argument("--logit-bound", type=float, default=1e-3)
    ap.add_argument("--failures", type=int, default=6, help="failures printed per case")
    ap.add_argument("--scratch", help="folder for the converted model and the traces (default: a temporary one)")
    ap.add_argument("-v", "--verbose", action="store_true", help="print what the program says")
    a = ap.parse_args()
    total = failed = 0
    with tempfile.TemporaryDirectory(dir=a.scratch) as scratch:
        shapes = [os.path.basename(os.path.normpath(a.folder))] if a.checkpoint else sorted(os.listdir(a.folder))
        for shape in shapes:
            folder = a.folder if a.checkpoint else os.path.join(a.folder, shape)
            checkpoint = a.checkpoint or os.path.join(folder, "checkpoint")
            if os.path.isdir(checkpoint) and (a.checkpoint or not a.only or shape in a.only.split(",")):
                counts = run_shape(a, shape, folder, checkpoint, scratch)
                total, failed = total + counts[0], failed + counts[1]
    print(f"{total - failed} of {total} cases equal")
    sys.exit(1 if failed or not total else 0)


if __name__ == "__main__":
    main()
