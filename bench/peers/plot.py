"""Figures -> an SVG of bars: how fast each engine is, in units of the fastest peer of the row."""
from xml.sax.saxutils import escape

COLOURS = {"tarsier": "#d9480f", "llama.cpp": "#748ffc", "ik": "#38d9a9", "torch": "#adb5bd", "openvino": "#4dabf7"}
BAR, GAP, LEFT, WIDTH, NOTE = 16, 14, 330, 900, 130


def speed(figure, found):
    return 1 / found["median"] if figure["unit"] == "s" else found["tokens"] / found["median"]


def bars(figures, machine):
    """-> the file's text.  Rows without a peer's figure are left out."""
    parts, y, most = [], 40, 1.0
    todo = []
    for f in figures:
        found = [(name, e) for name, e in f["engines"].items() if "median" in e]
        best = max((speed(f, e) for name, e in found if name != "tarsier"), default=0)
        if best and any(name == "tarsier" for name, _ in found):
            todo.append((f, [(name, e, speed(f, e) / best) for name, e in found]))
            most = max(most, *(times for _, _, times in todo[-1][1]))
    scale = (WIDTH - LEFT - NOTE) / most
    for f, found in todo:
        middle = y + BAR * len(found) / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(f["title"])}</text>')
        for name, e, times in found:
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{max(1.0, times * scale):.1f}" height="{BAR - 3}" fill="{COLOURS[name]}"/>')
            parts.append(f'<text x="{LEFT + times * scale + 6:.1f}" y="{y + BAR - 5}" class="n">{escape(name)} {e["value"]:.3g} {escape(f["unit"])}</text>')
            y += BAR
        y += GAP
    line = LEFT + scale
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" font-family="sans-serif" font-size="13">\n'
            '<style>.n{font-size:11px;fill:#495057} text{fill:#212529}</style>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
            f'<text x="10" y="20">{escape("Speed, 1 = the fastest peer: " + machine.split(";")[0])}</text>\n'
            f'<line x1="{line:.1f}" y1="32" x2="{line:.1f}" y2="{y}" stroke="#868e96" stroke-dasharray="3 3"/>\n')
    return head + "\n".join(parts) + "\n</svg>\n"
