"""The letters and numbers that HF's tokenizers know and Unicode 14 (PCRE2 10.42, Python 3.11's unicodedata) does not.

    python tests/oracle/newer_letters.py

Prints the two lines of ranges that stand in src/input/pretokenizer_tables.cpp.
"""
import unicodedata

from tokenizers import Regex, pre_tokenizers


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return "".join(f"\\x{{{a:x}}}" + (f"-\\x{{{b:x}}}" if b > a else "") for a, b in out)


def main():
    assert unicodedata.unidata_version == "14.0.0", "a Python with Unicode 14 is wanted (3.11)"
    for name in "LN":
        split = pre_tokenizers.Split(Regex(f"\\p{{{name}}}"), "isolated")
        new = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c))[0] != name
               and len(split.pre_tokenize_str("!" + chr(c) + "!")) == 3]
        print(name, ranges(new))


if __name__ == "__main__":
    main()
