#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The pictures, drawn from the reference and from made-up files: whole, 3.4 inches wide, readable there,
each with a sentence; nothing in the way of bad files and full disks. TAP."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "bench", "plots"))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import figure

REFERENCE = os.path.join(TOP, "results", "reference")
COLUMN = 3.4 * 72  # points
tests = failures = 0


def check(good, name, detail=""):
    """One line of TAP."""
    global tests, failures  # pylint: disable=global-statement
    tests += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}")
    if not good and detail:
        print("\n".join("# " + line for line in str(detail).splitlines()[:12]))


def run(*command, **environment):
    """(status, what it said)"""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def texts(root):
    """(text, left, top, right, bottom, size) of each label that does not stand on its side."""
    found = []
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        move = re.match(r"translate\(([-\d.]+),([-\d.]+)\)(.*)", group.get("transform", ""))
        if not move or "font-size" not in group.attrib:
            continue
        text = "".join(group.itertext()).strip()
        size, bold = float(group.get("font-size")), group.get("font-weight") == "bold"
        width = figure.text_width(text, size, bold)
        x, y = float(move[1]), float(move[2])
        if "rotate" in move[3]:
            found.append((text, x - size, y - width / 2, x, y + width / 2, size))
            continue
        x -= {"start": 0, "middle": width / 2, "end": width}[group.get("text-anchor", "start")]
        found.append((text, x, y - 0.75 * size, x + width, y + 0.05 * size, size))
    return [entry for entry in found if entry[0]]


def readable(path):
    """What is wrong with a picture in a paper's column."""
    root = ElementTree.parse(path).getroot()
    _, _, width, height = map(float, root.get("viewBox").split())
    labels, wrong = texts(root), []
    scale = COLUMN / width
    for text, left, top, right, bottom, size in labels:
        if size * scale < 6.98:
            wrong.append(f"{text}: {size * scale:.1f} points")
        if left < -0.5 or right > width + 0.5 or top < 0 or bottom > height:
            wrong.append(f"{text}: leaves the picture ({left:.0f} to {right:.0f} of {width:.0f})")
    for i, (text, left, top, right, bottom, _) in enumerate(labels):
        for other, left2, top2, right2, bottom2, _ in labels[i + 1 :]:
            if min(right, right2) - max(left, left2) > 2 and min(bottom, bottom2) - max(top, top2) > 1:
                wrong.append(f"'{text}' and '{other}' stand on each other")
    if len(labels) < 5:
        wrong.append("hardly a word in it")
    about = {e.tag.rpartition("}")[2]: e.text or "" for e in root}
    if not about.get("desc", "").strip().endswith(".") or not about.get("title"):
        wrong.append("no sentence, or no title")
    if height > 9 * 72:
        wrong.append("longer than a page's column")
    return wrong


def whole(path):
    """Are all three formats there, to their end?"""
    for kind, end in (("svg", b"</svg>"), ("pdf", b"%%EOF"), ("png", b"IEND")):
        with open(f"{path}.{kind}", "rb") as file:
            if end not in file.read()[-64:]:
                return False
    return True


def pictures(folder):
    """Names of the pictures in a folder."""
    return sorted(n.removesuffix(".svg") for n in os.listdir(folder) if n.endswith(".svg"))


def test_reference(root):
    """All parts of the reference."""
    # Only the CSV: what is drawn here is not what is in git.
    parts = [p for p in sorted(os.listdir(REFERENCE)) if os.path.isdir(os.path.join(REFERENCE, p))]
    for part in parts:
        os.makedirs(f"{root}/{part}")
        for name in os.listdir(os.path.join(REFERENCE, part)):
            if name.endswith((".csv", ".txt")):
                shutil.copy(os.path.join(REFERENCE, part, name), f"{root}/{part}")
    status, said = run("bench/plot", root)
    check(status == 0, "make plots RESULTS=results/reference draws all of its parts", said)
    drawn = [f"{root}/{part}/{name}" for part in parts for name in pictures(f"{root}/{part}")]
    names = {os.path.basename(path) for path in drawn}
    wanted = {"time", "walkcost", "exits", "headline", "operations", "phase", "growth", "gtt_speed"}
    check(wanted <= names, "the pictures that the docs speak of are there", sorted(wanted - names))
    for path in drawn:
        name = path.removeprefix(root + "/")
        wrong = readable(f"{path}.svg")
        check(not wrong, f"{name}: readable at 3.4 inches, with a sentence", "\n".join(wrong))
        check(whole(path), f"{name}: SVG, PDF and PNG are whole")
    for part in parts:
        if not os.path.exists(f"{root}/{part}/raw.csv"):
            continue
        with open(f"{root}/{part}/figures.md", encoding="utf-8") as file:
            text = file.read()
        absent = [n for n in pictures(f"{root}/{part}") if f"({n}.svg)" not in text]
        check(not absent, f"{part}/figures.md shows all of them", absent)
    tracked = run("git", "ls-files", "results/reference/*.png", "results/reference/*.pdf")
    check(tracked[0] != 0 or not tracked[1], "PNG and PDF are made, not kept", tracked[1])


def test_front(root):
    """The two pictures that every reader wants say what they should."""
    with open(f"{root}/run/time.svg", encoding="utf-8") as file:
        text = file.read()
    for word in ("guest work", "page walks", "TLB flushes", "exits: ", "native", "KVM shadow", "modelled"):
        check(word in text, f"the picture of time has {word}")
    with open(f"{root}/run/walkcost.svg", encoding="utf-8") as file:
        text = file.read()
    for word in ("64K", "256M", "native, and any shadow", "EPT 2M", "EPT 4K", "modelled", "measured"):
        check(word in text, f"the picture of walks has {word}")



def test_new_names(root):
    """A mode, a workload, a counter that nobody knows: they are in the pictures all the same."""
    os.makedirs(f"{root}/new")
    header = ("engine,mode,workload,params,clock,host,backing,gtt_mode,guest_mib,reps,elapsed_per_op,"
              "cost_median,cost_min,cost_max,exits_per_op,exits_pt_write_per_op,exits_teapot_per_op,"
              "exits_host_per_op,walk_refs_guest_per_op,walk_refs_nested_per_op\n")
    rows = "".join(
        f"penumbra,{mode},brewing,-,ticks,emulated,thp,,256,3,100,90,90,90,{store + 3},{store},3,777,"
        f"{refs},{nested}\n"
        for mode, store, refs, nested in (("shadow", 4, 40, 0), ("ept", 0, 44, 165), ("steep", 1, 41, 0))
    )
    with open(f"{root}/new/summary.csv", "w", encoding="utf-8") as file:
        file.write(header + rows)
    status, said = run(sys.executable, "bench/plots/suite.py", f"{root}/new", f"{root}/new")
    with open(f"{root}/new/exits.gp", encoding="utf-8") as file:
        text = file.read()
    check(status == 0 and "'teapot'" in text, "a counter that nobody knows is a part of the bars", said)
    check("penumbra steep" in text and "brewing" in text, "so are a mode and a workload")
    check("'7'" in text and "784" not in text and "'host'" not in text, "exits of the host are in no bar")
    with open(f"{root}/new/walks.gp", encoding="utf-8") as file:
        text = file.read()
    check("'209'" in text and "'40'" in text, "walk references have a picture, guest's and nested ones")


def test_breakdown(root):
    """Figures that can be worked out on paper."""
    prices = ("exit_cycles 100 200 400", "exit_after_cycles 0 50 100", "invvpid_cycles 10 20 30",
              "invlpg_cycles 1 2 3", "cr3_cycles 5 6 7", "walk_percent 50 100 100",
              "thousand_instructions_cycles 400 500 1000")
    with open(f"{root}/cpu.conf", "w", encoding="utf-8") as file:
        for line in ("name Paper", "dtlb 4k 64 4", "itlb 4k 64 4", *prices):
            print(line, "# made up", file=file)
    with open(f"{root}/s.csv", "w", encoding="utf-8") as file:
        print("engine,mode,workload,params,clock,host,gtt_mode,elapsed_per_op,exits_per_op,"
              "exits_pt_write_per_op,exits_other_per_op,exits_host_per_op,flush_host_per_op,"
              "flush_guest_invlpg_per_op,exits_invlpg_per_op", file=file)
        print("native,native,w,a:1;b:2,ticks,emulated,,1000,,,,,,3,", file=file)
        print("penumbra,shadow,w,a:1;b:2,ticks,emulated,,1600,6,2,1,9,4,3,3", file=file)
        print("penumbra,shadow,x,-,ticks,emulated,,1600,6,2,1,9,4,3,3", file=file)
        print("penumbra,shadow,w,a:1;b:2,tsc,metal,,1600,6,2,1,9,4,3,3", file=file)
    with open(f"{root}/w.csv", "w", encoding="utf-8") as file:
        print("engine,mode,workload,params,ops,cpu,accesses,data_cycles_per_access,"
              "translation_cycles_per_access,host_walk_cycles", file=file)
        print("native,none,w,b:2;a:1;ops:10,10,Paper,40,3,5,0", file=file)
        print("penumbra,shadow,w,a:1;b:2;warmup:0,10,Paper,50,3,8,70", file=file)
        print("penumbra,shadow,w,a:1;b:2,10,Other,50,300,800,70", file=file)
    command = ["build/breakdown", "--cpu", f"{root}/cpu.conf", "--walks", f"{root}/w.csv", f"{root}/s.csv"]
    status, said = run(*command)
    alone = [l for l in said.splitlines() if ",x,-," in l]
    check(",instructions,800,640,1600," in alone[0] and ",total," in alone[-1],
          "without the bare machine guest and hypervisor are one part", said)
    found = {}
    for line in said.splitlines()[1:]:
        cells = line.split(",")
        if cells[2] == "w":
            found[cells[1], cells[6]] = tuple(map(float, cells[7:10]))
    wanted = {
        ("native", "guest"): (500, 400, 1000),
        ("native", "data"): (12, 12, 12),
        ("native", "walks"): (20, 10, 20),
        ("native", "flushes"): (6, 3, 9),
        ("native", "total"): (526, 413, 1029),
        ("shadow", "guest"): (500, 400, 1000),
        ("shadow", "data"): (15, 15, 15),
        ("shadow", "walks"): (40, 20, 40),
        ("shadow", "flushes"): (80, 40, 120),
        ("shadow", "exits_pt_write"): (500, 200, 1000),
        ("shadow", "exits_other"): (250, 100, 500),
        ("shadow", "exits_invlpg"): (750, 300, 1500),
        ("shadow", "hypervisor"): (307, 243.5, 607),
        ("shadow", "total"): (2427, 1303.5, 4767),
    }
    check(status == 0 and found == wanted, "cycles by part, without the host's exits",
          "\n".join(f"{k}: {found.get(k)}, not {wanted.get(k)}" for k in {**found, **wanted}
                    if found.get(k) != wanted.get(k)) or said)
    for arguments, sentence in (
        ([f"{root}/s.csv"], "usage:"),
        (["--cpu", f"{root}/s.csv", f"{root}/s.csv"], "s.csv"),
        (["--cpu", f"{root}/cpu.conf", f"{root}/w.csv"], "it has no column host"),
        (["--cpu", f"{root}/cpu.conf", f"{root}/none"], "No such file"),
    ):
        status, said = run("build/breakdown", *arguments)
        check(status == 2 and sentence in said, f"breakdown: {sentence}", said)


def test_bad_files(root):
    """Each a clear sentence, and nothing lost."""
    with open(f"{REFERENCE}/growth/raw.csv", encoding="utf-8") as file:
        lines = file.read().splitlines(keepends=True)
    header = lines[0].rstrip("\n").split(",")
    at = header.index("elapsed")
    without = ["," .join(f for i, f in enumerate(l.rstrip("\n").split(",")) if i != at) + "\n"
               for l in lines]
    for name, text, status_wanted, sentence in (
        ("cut", "".join(lines)[:-20], 0, "is left out: it ends in the middle of a line"),
        ("headers", "".join(lines[:9] + lines[:1] + lines[9:]), 0, "line 10: a second header"),
        ("column", "".join(without), 2, "its header has no column elapsed"),
        ("nothing", "", 2, "it is empty"),
    ):
        os.makedirs(f"{root}/{name}")
        with open(f"{root}/{name}/raw.csv", "w", encoding="utf-8") as file:
            file.write(text)
        status, said = run("bench/plot", f"{root}/{name}")
        check(status == status_wanted and sentence in said and "Traceback" not in said,
              f"a raw.csv: {sentence}", said)
        drawn = os.path.exists(f"{root}/{name}/growth.svg")
        check(drawn == (status_wanted == 0), "  and what is whole is drawn" if drawn else "  no picture")
    for command in (["bench/plot"], ["bench/report"], ["bench/phase"]):
        status, said = run(*command, f"{root}/not-there")
        check(status == 2 and "not-there" in said and "no" in said and said.count("\n") == 1,
              f"{command[0]} of a folder that is not there", said)
    status, said = run("bench/plot", f"{root}/cut", f"{root}/not-there")
    check(status == 2 and "not-there is not there" in said, "a folder to draw into that is not there", said)


def test_space(root):
    """A checkout whose path has a space in it."""
    tree = f"{root}/a tree"
    shutil.copytree(f"{TOP}/bench", f"{tree}/bench")
    os.makedirs(f"{tree}/build")
    for name in ("summarize", "breakdown", "walkmodel"):
        shutil.copy(f"{TOP}/build/{name}", f"{tree}/build")
    os.makedirs(f"{tree}/results/run")
    os.makedirs(f"{tree}/results/walks")
    shutil.copy(f"{REFERENCE}/run/raw.csv", f"{tree}/results/run")
    for name in ("walks.csv", "walks_modelled.csv"):
        shutil.copy(f"{REFERENCE}/walks/{name}", f"{tree}/results/walks")
    status, said = run(f"{tree}/bench/plot", f"{tree}/results/run")
    drawn = pictures(f"{tree}/results/run")
    check(status == 0 and {"time", "walkcost", "exits"} <= set(drawn), "a path with a space", said)
    with open(f"{tree}/results/run/time.csv", encoding="utf-8") as file:
        check(",walks," in file.read(), "and what stands beside the run is found there")


def test_full_disk(root):
    """A picture that cannot be written leaves the old one as it was."""
    disk = f"{root}/disk"
    os.makedirs(disk)
    if run("mount", "-t", "tmpfs", "-o", "size=64k", "none", disk)[0] != 0:
        check(True, "a full disk # SKIP no tmpfs can be mounted here")
        return
    try:
        shutil.copy(f"{REFERENCE}/growth/growth.svg", disk)
        with open(f"{disk}/growth.svg", "rb") as file:
            before = file.read()
        with open(f"{disk}/filler", "wb") as file:
            try:
                file.write(b"x" * 65536)
            except OSError:
                pass
        status, said = run("bench/plot", f"{REFERENCE}/growth/raw.csv", disk)
        with open(f"{disk}/growth.svg", "rb") as file:
            after = file.read()
        check(status == 1 and "is the disk full?" in said, "a full disk is said", said)
        check(before == after, "and the old picture is as it was")
        empty = [n for n in os.listdir(disk) if os.path.getsize(f"{disk}/{n}") == 0]
        check(not [n for n in empty if n != "filler"], "no file is left with nothing in it", empty)
    finally:
        run("umount", disk)


def main():
    """All of it."""
    if not shutil.which("gnuplot"):
        print("1..0 # SKIP no gnuplot")
        return 0
    targets = ["summarize", "breakdown", "walkmodel", "phase"]
    status, said = run("make", "-s", "--no-print-directory", *(f"build/{t}" for t in targets))
    if status:
        print("Bail out! the programs do not build")
        return 1
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(f"{root}/reference")
        test_reference(f"{root}/reference")
        test_front(f"{root}/reference")
        test_new_names(root)
        test_breakdown(root)
        test_bad_files(root)
        test_space(root)
        test_full_disk(root)
    print(f"1..{tests}")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
