#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Puts drawn pictures where they belong: publish.py TMP OUT.

TMP has NAME.caption, NAME.svg, NAME.pdf and NAME.png of each. One that was cut off, as on a full disk, is
no picture: the old one stays, with a sentence. An SVG gets its title and its caption inside, where a
page or a screen reader finds them; figures.md shows all of them. A picture in OUT that has become
none goes, if it was made here.
"""

import html
import os
import shutil
import sys

# What the end of a whole file has, by format.
ENDS = {"svg": b"</svg>", "pdf": b"%%EOF", "png": b"IEND"}
MARK = "Penumbra's bench/plot"
FIRST = ("time", "walkcost")


def whole(path, kind):
    """Was a file written to its end?"""
    if kind not in ENDS:
        return os.path.getsize(path) > 0
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 64))
            return ENDS[kind] in file.read()
    except OSError:
        return False


def with_caption(path, title, caption):
    """Title and caption into an SVG, in gnuplot's place."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, found, rest = text.partition("<title>Gnuplot</title>")
    _, found_too, rest = rest.partition("</desc>")
    if not found or not found_too:
        return
    text = (f"{head}<title>{html.escape(title)}</title>\n<desc>{html.escape(caption)}</desc>\n"
            f"<!-- {MARK} -->{rest}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def place(source, target, kind):
    """A copy under another name first: a full disk leaves the old file as it was."""
    new = f"{target}.new"
    try:
        shutil.copyfile(source, new)
        if not whole(new, kind):
            raise OSError("cut off")
        os.replace(new, target)
        return True
    except OSError as error:
        print(f"plot: cannot write {target}: {error.strerror or error}; is the disk full?",
              file=sys.stderr)
        if os.path.exists(new):
            os.remove(new)
        return False


def ours(path):
    """Was this drawing made here, now or in an older version?"""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            head = file.read(4096)
    except OSError:
        return False
    return MARK in head or "Produced by GNUPLOT" in head


def remove_stale(out, names):
    """Pictures for which there is no data any more."""
    for file in os.listdir(out):
        name, kind = os.path.splitext(file)
        if kind == ".svg" and name not in names and ours(os.path.join(out, file)):
            for other in ENDS:
                if os.path.exists(os.path.join(out, f"{name}.{other}")):
                    os.remove(os.path.join(out, f"{name}.{other}"))


def main():
    """The command line."""
    tmp, out = sys.argv[1:3]
    captions = {}
    for file in sorted(os.listdir(tmp)):
        if file.endswith(".caption"):
            with open(os.path.join(tmp, file), encoding="utf-8") as caption:
                captions[file.removesuffix(".caption")] = caption.read().rstrip("\n").split("\n", 1)
    names = [n for n in FIRST if n in captions] + [n for n in captions if n not in FIRST]
    failed = False
    for name in names:
        for kind in ENDS:
            drawn = os.path.join(tmp, f"{name}.{kind}")
            if not whole(drawn, kind):
                print(f"plot: {name}.{kind} was not drawn to its end; is /tmp full?", file=sys.stderr)
                failed = True
                continue
            if kind == "svg":
                with_caption(drawn, *captions[name])
            failed |= not place(drawn, os.path.join(out, f"{name}.{kind}"), kind)
    remove_stale(out, names)
    text = "".join(f"**{captions[n][0]}**\n\n![{captions[n][0]}]({n}.svg)\n\n{captions[n][1]}\n\n"
                   for n in names)
    with open(os.path.join(tmp, "figures.md"), "w", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")
    failed |= not place(os.path.join(tmp, "figures.md"), os.path.join(out, "figures.md"), "md")
    return failed


if __name__ == "__main__":
    sys.exit(main())
