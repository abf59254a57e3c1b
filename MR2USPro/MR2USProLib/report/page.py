"""One page that holds everything an exam has to show: no scripts, no other files, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

NOTICE = "For research use only. Not a medical device."

READING = (
    "Cuts are shown as a radiologist reads them: the patient's right (R) is on the left of axial and coronal cuts, "
    "anterior (A) is at the top of axial cuts and on the left of sagittal ones, superior (S) is at the top. The "
    "letters follow the orientation in the image headers. Lengths are in millimetres."
)


@dataclass(frozen=True)
class Picture:
    """A picture with what to look for in it, in one or two sentences."""

    title: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Mark:
    """A cell that judges: its words say better or worse, and its colour says so too.

    Attributes:
        text: says it without the colour.
        good: True is green, False is red, None is neither.
    """

    text: str
    good: bool | None


@dataclass(frozen=True)
class Table:
    """Figures with their units, already written out. The first cell of a row names it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Mark, ...], ...]


@dataclass(frozen=True)
class Section:
    """A chapter: what to know first, then the figures, then the pictures."""

    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


def render(title: str, verdict: str, sections: Sequence[Section], facts: Mapping[str, str]) -> str:
    """The whole page as HTML. All text is escaped.

    Args:
        title: what was done.
        verdict: what came out of it, in a sentence or two.
        sections: the chapters in their order.
        facts: how it was made: version, parameters, seed...
    """
    links = "".join(f'<li><a href="#s{n}">{escape(s.title)}</a></li>' for n, s in enumerate(sections, 1))
    contents = f'<nav aria-label="Contents"><ol>{links}</ol></nav>' if len(sections) > 1 else ""
    body = "".join(_section(section, f"s{number}") for number, section in enumerate(sections, 1))
    made = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    made = f'<section id="made"><h2>How this was made</h2><dl>{made}</dl></section>' if made else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="notice">{NOTICE}</p>
<h1>{escape(title)}</h1>
<p class="verdict">{escape(verdict)}</p>
{contents}
</header>
<main>
{body}{made}
</main>
<footer><p>{READING}</p><p>{NOTICE}</p></footer>
</body>
</html>
"""


def amended(page: str, statement: str) -> str:
    """A page with a sentence or two above all else: what was decided after it was made."""
    return page.replace("<body>", f'<body>\n<p class="verdict bad">{escape(statement)}</p>', 1)


def _section(section: Section, anchor: str) -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in section.text)
    tables = "".join(map(_table, section.tables))
    pictures = "".join(map(_picture, section.pictures))
    return f'<section id="{anchor}">\n<h2>{escape(section.title)}</h2>\n{text}{tables}{pictures}</section>\n'


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{_row(row)}</tr>\n" for row in table.rows)
    return (
        f'<div class="table"><table>\n<caption>{escape(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n"
    )


def _row(row: Sequence[str | Mark]) -> str:
    cells = []
    for number, cell in enumerate(row):
        tag = 'th scope="row"' if number == 0 else "td"
        text, kind = cell, ""
        if isinstance(cell, Mark):
            text = cell.text
            kind = "" if cell.good is None else f' class="{"good" if cell.good else "bad"}"'
        cells.append(f"<{tag}{kind}>{escape(str(text))}</{tag[:2]}>")
    return "".join(cells)


def _picture(picture: Picture) -> str:
    # width and height stand in the PNG's first chunk, and keep the page from jumping while it loads
    width, height = (int.from_bytes(picture.png[at : at + 4], "big") for at in (16, 20))
    data = base64.b64encode(picture.png).decode("ascii")
    title, caption = escape(picture.title), escape(picture.caption)
    return (
        f'<figure>\n<img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'alt="{title}. {caption}">\n<figcaption><strong>{title}.</strong> {caption}</figcaption>\n</figure>\n'
    )


STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f5f2; --sheet: #ffffff; --ink: #20262b; --soft: #5a646c; --line: #dcd9d2;
  --accent: #0b5d70; --good: #1b6e3c; --bad: #a5281b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181b; --sheet: #1b2125; --ink: #e4e6e6; --soft: #a2abb1; --line: #333c42;
    --accent: #74c4d6; --good: #7fcf9b; --bad: #f29a8e;
  }
  figure img { filter: brightness(.88); }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 66rem; background: var(--page); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1, h2, .verdict { font-family: Charter, "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
h1 { font-size: 2.1rem; line-height: 1.2; font-weight: 600; margin: .4rem 0 1rem; text-wrap: balance; }
h2 { font-size: 1.45rem; line-height: 1.3; font-weight: 600; margin: 0 0 .8rem; }
p { margin: 0 0 .9rem; max-width: 44rem; }
.notice { font-size: .85rem; letter-spacing: .01em; color: var(--bad); margin: 0; font-weight: 600; }
.verdict { font-size: 1.25rem; line-height: 1.5; border-left: 4px solid var(--accent); padding: .1rem 0 .1rem 1rem; }
nav ol { list-style: none; margin: 1.2rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; }
a { color: var(--accent); text-underline-offset: .2em; }
section {
  background: var(--sheet); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.6rem 1.8rem; margin-top: 1.6rem;
}
figure { margin: 1.6rem 0 .4rem; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; border-radius: 4px; background: #fff; }
figcaption { margin-top: .6rem; color: var(--soft); font-size: .93rem; max-width: 48rem; }
figcaption strong { color: var(--ink); }
.table { overflow-x: auto; margin: 1.2rem 0; break-inside: avoid; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { white-space: normal; text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { text-align: left; padding: .45rem 1rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--soft); font-size: .86rem; font-weight: 600; }
td { white-space: nowrap; }
tbody th { font-weight: 500; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
dl {
  break-inside: avoid; display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .9rem 1.6rem; margin: 0;
}
dt { color: var(--soft); font-size: .86rem; }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 1.8rem; color: var(--soft); font-size: .88rem; }
@media print {
  @page { margin: 16mm; }
  :root {
    --page: #fff; --sheet: #fff; --ink: #000; --soft: #444; --line: #bbb;
    --accent: #0b5d70; --good: #1b6e3c; --bad: #a5281b;
  }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  nav { display: none; }
  section { border: 0; padding: 0; margin-top: 9mm; }
  h2 { break-after: avoid; }
  figure img { filter: none; max-height: 105mm; width: auto; max-width: 100%; }
}
"""
