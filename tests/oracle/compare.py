#!/usr/bin/env python3
"""Hold the values of a `tarsier trace` against a reference dump of dump.py: every name, shape, dtype and number.

Real values: relative RMS ||a - b|| / ||b|| within --bound; logits: largest difference within --logit-bound; pixel values: within 1e-6.
Integers: exactly. Experts: the same set per token; a token whose last chosen and first refused probability are closer than 1e-5 is named as a tie.
Beside the values, TRACE.json (or TRACE.safetensors.json) and result.json: greedy ids up to the first gap under 1e-3, their log-probabilities and
entropies within --logit-bound.  Only what the reference holds is compared, so light dumps work.  Exits with 1 on any failure.
"""
import argparse
import json
import os
import re
import struct
import sys

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
PIXEL_BOUND = 1e-6
TIE = 1e-5          # difference of probabilities under which two experts may change places
OPEN_GAP = 1e-3     # gap of the first two log-probabilities under which another order of additions may choose the other token


def read_safetensors(path):
    """-> {name: (dtype as the file names it, array)}."""
    with open(path, "rb") as f:
        data = f.read()
    (size,) = struct.unpack_from("<Q", data)
    out = {}
    for name, item in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + at for at in item["data_offsets"])
            out[name] = (item["dtype"], np.frombuffer(data[begin:end], TYPES[item["dtype"]]).reshape(item["shape"]))
    return out


def order(name):
    """Names sorted by when a run computes them: the first bad one is where to look."""
    stages = ["input_ids", "mm_token", "image_grid", "video_grid", "position_ids", "rope_deltas", "pixel_values", "vision.image", "vision.video", "text.inputs", "text.rope",
              "text.layer", "text.final", "logits"]
    steps = ["patch_embed", "pos_embed", "block_input", "rope_cos", "rope_sin", "block", "deepstack", "merger", "logits", "weights", "experts", "out", "after_deepstack"]
    stage = next((k for k, s in enumerate(stages) if name.startswith(s)), len(stages))
    numbers = [int(n) for n in re.findall(r"\.(\d+)", name)]
    step = max((k for k, s in enumerate(steps) if s in name.split(".")), default=0)
    return (stage, numbers[0] if stage == stages.index("text.layer") else step, step, numbers)


class Report:
    def __init__(self):
        self.rows = []          # (share of the bound, name, relative RMS, largest difference, largest value, note)
        self.failures = []      # sentences
        self.notes = []
        self.exact = 0          # integer values compared

    def fail(self, name, what):
        self.failures.append(f"{name}: {what}")

    def worst(self):
        return max(self.rows, default=None, key=lambda r: r[0] if r[0] == r[0] else np.inf)

    def first_bad(self):
        bad = [r for r in self.rows if not r[0] <= 1]
        return min(bad, default=None, key=lambda r: order(r[1]))

    def print(self, count):
        print(f"{'value':44s} {'rel. RMS':>10s} {'max diff':>10s} {'max value':>10s} {'of bound':>9s}")
        for share, name, rms, diff, value in sorted(self.rows, key=lambda r: -r[0] if r[0] == r[0] else -np.inf)[:count]:
            print(f"{name:44s} {rms:10.2e} {diff:10.2e} {value:10.2e} {share:9.3f}{'' if share <= 1 else '  BAD'}")
        print(f"{len(self.rows)} real values, {self.exact} of integers")
        for n in self.notes:
            print("note:", n)
        first = self.first_bad()
        if first:
            print("first value over its bound, in the order of computation:", first[1])
        for f in self.failures:
            print("FAILED", f)


def compare_real(report, name, got, want, bounds):
    got, want = got.astype(np.float64), want.astype(np.float64)
    difference = np.abs(got - want)
    largest = float(difference.max(initial=0.0))
    size = float(np.sqrt((want ** 2).sum()))
    rms = float(np.sqrt((difference ** 2).sum())) / size if size else largest
    value, bound = (largest, bounds["logits"]) if name.startswith("logits") else (largest, PIXEL_BOUND) if name.startswith("pixel_values") else (rms, bounds["values"])
    share = value / bound if np.isfinite(got).all() else float("nan")
    report.rows.append((share, name, rms, largest, float(np.abs(want).max(initial=0.0))))
    if not share <= 1:
        where = np.unravel_index(int(np.where(np.isfinite(difference), difference, np.inf).argmax()), difference.shape)
        report.fail(name, f"{value:.3e}, allowed {bound:.0e}; most at {tuple(map(int, where))}: {got[where]:.6g} for {want[where]:.6g}")


def compare_experts(report, name, reference, trace):
    """Sets per token."""
    base = name[:-len("experts")]
    want, got = reference[name][1], trace[name][1]
    report.exact += want.size
    differs = np.flatnonzero((np.sort(want, -1) != np.sort(got, -1)).any(-1))
    if base + "logits" in reference and len(differs):
        logits = reference[base + "logits"][1].astype(np.float64)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p = -np.sort(-(p / p.sum(-1, keepdims=True)), -1)
        k = want.shape[-1]
        gap = p[:, k - 1] - p[:, k] if k < p.shape[-1] else np.full(len(p), np.inf)
        for token in [t for t in differs if gap[t] < TIE]:
            report.notes.append(f"{name}: token {token} routes to {got[token].tolist()} for {want[token].tolist()}, a tie ({gap[token]:.1e})")
        differs = [t for t in differs if not gap[t] < TIE]
    if len(differs):
        report.fail(name, f"{len(differs)} tokens route elsewhere, first token {differs[0]}: {got[differs[0]].tolist()} for {want[differs[0]].tolist()}")


def routed_weights(name, reference, trace):
    """-> (trace, reference) weights in the order of the experts' numbers, of the tokens that both route to the same experts."""
    experts = name[:-len("weights")] + "experts"
    if experts not in reference or experts not in trace or reference[experts][1].shape != trace[experts][1].shape:
        return trace[name][1], reference[name][1]
    want, got = reference[experts][1], trace[experts][1]
    same = (np.sort(want, -1) == np.sort(got, -1)).all(-1)
    return tuple(np.take_along_axis(v[name][1], np.argsort(e, -1), -1)[same] for v, e in ((trace, got), (reference, want)))


def compare_values(report, reference, trace, bounds):
    for name in sorted(reference, key=order):
        if name not in trace:
            report.fail(name, "is not in the trace")
            continue
        (want_type, want), (got_type, got) = reference[name], trace[name]
        if want_type != got_type or want.shape != got.shape:
            report.fail(name, f"is {got_type} {list(got.shape)}, expected {want_type} {list(want.shape)}")
        elif name.endswith("router.experts"):
            compare_experts(report, name, reference, trace)
        elif name.endswith("router.weights"):
            compare_real(report, name, *routed_weights(name, reference, trace), bounds)
        elif want.dtype.kind in "iub":
            report.exact += want.size
            wrong = np.argwhere(got != want)
            if len(wrong):
                at = tuple(map(int, wrong[0]))
                report.fail(name, f"{len(wrong)} of {want.size} differ, first at {at}: {got[at]} for {want[at]}")
        else:
            compare_real(report, name, got, want, bounds)


def compare_results(report, result, trace, bounds):
    for key in ("prompt_length", "rope_delta"):
        if key in trace and trace[key] != result[key]:
            report.fail(key, f"{trace[key]} for {result[key]}")
    if "greedy_ids" not in trace:
        report.fail("greedy_ids", "are not beside the trace")
        return
    want, got = result["greedy_ids"], trace["greedy_ids"]
    known = next((k for k, gap in enumerate(result["top1_top2_gap"]) if gap < OPEN_GAP), len(want))
    if known < len(want):
        report.notes.append(f"greedy ids: token {known} of {len(want)} has a gap of {result['top1_top2_gap'][known]:.1e}: compared up to there")
    if len(got) < known:
        report.fail("greedy_ids", f"{len(got)} of {known}")
    report.exact += known
    same = next((k for k, (a, b) in enumerate(zip(got[:known], want)) if a != b), min(known, len(got)))
    if same < min(known, len(got)):
        report.fail("greedy_ids", f"token {same} is {got[same]} for {want[same]}, gap {result['top1_top2_gap'][same]:.3f}")
    for key in ("log_probs", "entropies"):
        if key not in trace:
            report.fail(key, "are not beside the trace")
        elif same:
            a, b = np.array(trace[key][:same]), np.array(result[key][:same])
            if len(a) < same:
                report.fail(key, f"{len(a)} of {same}")
                continue
            largest = float(np.abs(a - b).max())
            share = largest / bounds["logits"] if np.isfinite(a).all() else float("nan")
            report.rows.append((share, key, float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30)), largest, float(np.abs(b).max())))
            if not share <= 1:
                report.fail(key, f"{largest:.3e}, allowed {bounds['logits']:.0e}, most at token {int(np.abs(a - b).argmax())}")


def compare(reference, trace, bound=1e-4, logit_bound=1e-3, greedy=True):
    """reference: a case folder or its dump.safetensors; trace: the file of `tarsier trace`. -> Report."""
    dump = os.path.join(reference, "dump.safetensors") if os.path.isdir(reference) else reference
    report, bounds = Report(), {"values": bound, "logits": logit_bound}
    compare_values(report, read_safetensors(dump), read_safetensors(trace), bounds)
    result = os.path.join(os.path.dirname(dump), "result.json")
    beside = next((p for p in (trace + ".json", os.path.splitext(trace)[0] + ".json") if os.path.exists(p)), None)
    if greedy and os.path.exists(result):
        if beside is None:
            report.fail("greedy_ids", f"no {trace}.json")
        else:
            with open(result, encoding="utf-8") as f, open(beside, encoding="utf-8") as g:
                compare_results(report, json.load(f), json.load(g), bounds)
    return report


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("reference", help="case folder, or its dump.safetensors")
    ap.add_argument("trace", help="file written by `tarsier trace`")
    ap.add_argument("--bound", type=float, default=1e-4, help="relative RMS of every real value (default 1e-4)")
    ap.add_argument("--logit-bound", type=float, default=1e-3, help="largest difference of logits, log-probabilities, entropies (default 1e-3)")
    ap.add_argument("--no-greedy", action="store_true", help="compare the values only, not the continuation")
    ap.add_argument("--rows", type=int, default=12, help="lines of the table, worst first (default 12)")
    a = ap.parse_args()
    report = compare(a.reference, a.trace, a.bound, a.logit_bound, not a.no_greedy)
    report.print(a.rows)
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
