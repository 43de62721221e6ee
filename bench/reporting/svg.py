# SPDX-License-Identifier: GPL-2.0-only
"""Plots as part of a page.

gnuplot gives every drawing the same ids, and names no font but its own: here an id gets the
drawing's name before it, those that nothing refers to go, and so do gnuplot's tooltips.
"""

import re
import xml.etree.ElementTree as ElementTree

from data import BadInput

REFERENCE = re.compile(r"url\(#([^)]+)\)")
PRESERVE = "{http://www.w3.org/XML/1998/namespace}space"
DROPPED = {"title", "desc", "script", "metadata", "foreignObject", "image"}


def local(name):
    """A name without its namespace: in a page, svg elements need none."""
    return name.rpartition("}")[2]


def inline(path, prefix, label):
    """The drawing as text for a page; label says what it is to those who cannot see it."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise BadInput(f"{path}: {error}") from error
    if local(root.tag) != "svg":
        raise BadInput(f"{path}: not an SVG drawing")
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(REFERENCE.findall(value))
            if local(name) == "href" and value.startswith("#"):
                used.add(value[1:])
    clean(root, prefix, used)
    root.attrib.pop("version", None)
    root.set("role", "img")
    root.set("aria-label", label)
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {root.get('width', '100')} {root.get('height', '100')}")
    return ElementTree.tostring(root, encoding="unicode")


def clean(element, prefix, used, in_text=False):
    """Own ids, no namespaces, nothing from elsewhere."""
    element.tag = local(element.tag)
    in_text = in_text or element.tag == "text"
    attributes, element.attrib = dict(element.attrib), {}
    for name, value in attributes.items():
        # Leading spaces of a label are its distance from the mark beside it.
        name = "xml:space" if name == PRESERVE else local(name)
        if name.startswith("on") or (name == "id" and value not in used):
            continue
        if name == "id":
            value = prefix + value
        elif name == "href":
            if not value.startswith("#"):
                continue
            value = "#" + prefix + value[1:]
        elif name == "font-family":
            value += ", Verdana, sans-serif"
        element.set(name, REFERENCE.sub(lambda found: f"url(#{prefix}{found[1]})", value))
    if not in_text:
        element.text = element.text if (element.text or "").strip() else None
    for child in list(element):
        if not isinstance(child.tag, str) or local(child.tag) in DROPPED:
            element.remove(child)
        else:
            clean(child, prefix, used, in_text)
            if not in_text and not (child.tail or "").strip():
                child.tail = None


def about(path):
    """(title, caption) that a drawing brings along; of one from elsewhere the bold line at its top."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise BadInput(f"{path}: {error}") from error
    found = {local(e.tag): " ".join((e.text or "").split()) for e in root if local(e.tag) in DROPPED}
    if found.get("desc") and found.get("title") != "Gnuplot":
        return found.get("title", ""), found["desc"]
    bold = [e for e in root.iter() if e.get("font-weight") == "bold"]
    bold.sort(key=lambda e: -float(e.get("font-size", "0")))
    return (" ".join("".join(bold[0].itertext()).split()) if bold else ""), ""
