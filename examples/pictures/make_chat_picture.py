#!/usr/bin/env python3
"""chat.svg: a conversation with the demo model, as the terminal shows it.

Runs the real program in tmux and draws what stands on the screen. After ./demo.sh, from the repository's root:
  python3 examples/pictures/make_chat_picture.py > examples/pictures/chat.svg
"""
import html
import re
import subprocess
import time

COLUMNS, ROWS = 92, 42
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 12
LINES = [("Describe this image. examples/pictures/two-shapes.png", "context 40"), ("Locate every shape.", "context 119"),
         ("/context", "free")]
BASE = ["#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5"]


def tmux(*words):
    return subprocess.run(["tmux", "-L", "tarsier-picture", "-f", "/dev/null", *words], capture_output=True, text=True).stdout


def wait_for(text):
    for _ in range(300):
        if text in tmux("capture-pane", "-p", "-t", "s"):
            return
        time.sleep(0.1)
    raise SystemExit(f"{text!r} does not come to the screen")


def screen():
    command = "XDG_STATE_HOME=$(mktemp -d) build/tarsier chat -m build/demo/tiny-vl-dense.gguf --temperature 0"
    tmux("new-session", "-d", "-s", "s", "-e", "COLORTERM=truecolor", "-x", str(COLUMNS), "-y", str(ROWS), command)
    try:
        wait_for("Ctrl-D leaves")
        for line, shown in LINES:
            tmux("send-keys", "-t", "s", "-l", line)
            tmux("send-keys", "-t", "s", "Enter")
            wait_for(shown)
        return tmux("capture-pane", "-p", "-e", "-N", "-t", "s").rstrip().split("\n")
    finally:
        tmux("kill-server")


class Pen:
    def __init__(self):
        self.reset()

    def reset(self):
        self.ink = self.paper = None
        self.bold = self.dim = self.inverse = False

    def take(self, codes):
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code in (7, 27):
                self.inverse = code == 7
            elif code == 22:
                self.bold = self.dim = False
            elif 30 <= code <= 37:
                self.ink = BASE[code - 30]
            elif code in (38, 48):
                codes.pop(0)  # 2: red, green, blue follow
                colour = "#%02x%02x%02x" % (codes.pop(0), codes.pop(0), codes.pop(0))
                if code == 38:
                    self.ink = colour
                else:
                    self.paper = colour
            elif code == 39:
                self.ink = None
            elif code == 49:
                self.paper = None

    def colours(self):
        return (self.paper, self.ink) if self.inverse else (self.ink, self.paper)


def rectangle(x, y, columns, height, colour):
    return f'<rect x="{x:.1f}" y="{y}" width="{columns * CELL_WIDTH + 0.4:.1f}" height="{height + 0.4}" fill="{colour}"/>'


def drawn(text, x, y, pen):
    ink, paper = pen.colours()
    if paper:
        yield rectangle(x, y, len(text), CELL_HEIGHT, paper)
    for run in re.finditer("▄+", text):
        yield rectangle(x + CELL_WIDTH * run.start(), y + CELL_HEIGHT / 2, len(run.group()), CELL_HEIGHT / 2, ink or "#ddd")
    text = text.rstrip()
    if text.strip(" ▄"):
        look = (' font-weight="bold"' if pen.bold else "") + (' opacity=".55"' if pen.dim else "")
        yield (f'<text x="{x:.1f}" y="{y + 13}" fill="{ink or "#ddd"}"{look} textLength="{len(text) * CELL_WIDTH:.1f}" '
               f'xml:space="preserve">{html.escape(text)}</text>')


def main():
    lines = screen()
    width, height = 2 * MARGIN + CELL_WIDTH * COLUMNS, 2 * MARGIN + CELL_HEIGHT * len(lines)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="ui-monospace,monospace" '
          f'font-size="14"><rect width="100%" height="100%" rx="8" fill="#1e1e1e"/>')
    pen = Pen()
    for row, line in enumerate(lines):
        column = 0
        for codes, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
            if not text:
                pen.take([int(code or 0) for code in codes.split(";")])
                continue
            for shape in drawn(text, MARGIN + CELL_WIDTH * column, MARGIN + CELL_HEIGHT * row, pen):
                print(shape)
            column += len(text)
    print("</svg>")


if __name__ == "__main__":
    main()
