"""The page: self-contained, escaped, and readable as HTML."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from MR2USProLib.report.charts import loss_curves
from MR2USProLib.report.page import NOTICE, Mark, Section, Table, render
from MR2USProLib.report.tables import MEASURES, before_and_after, change, written

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Sees that every element is closed in turn, and keeps what a test asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.images, self.links, self.ids, self.text = [], [], [], [], [], []
        self.classes = {}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.images.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self.open.append((tag, attributes.get("class", "")))

    def handle_endtag(self, tag):
        last, _ = self.open.pop()
        assert last == tag, f"</{tag}> closes <{last}>"

    def handle_data(self, data):
        self.text.append(data)
        if self.open:
            self.classes.setdefault(self.open[-1][1], []).append(data)


def parsed(html):
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def picture():
    return loss_curves({"similarity": np.linspace(1, 0.2, 40)})


def test_a_whole_page(picture):
    before, after = {"dsc": 0.7, "tre_mm": 8.0}, {"dsc": 0.9, "tre_mm": 9.5}
    html = render(
        "Registration",
        "The glands overlap.",
        [
            Section("First", ("A paragraph.", "Another."), (picture,)),
            Section("Second", tables=(before_and_after(before, after),)),
        ],
        {"Seed": "7"},
    )
    page = parsed(html)
    assert page.tags.count("h1") == 1
    assert page.tags.count("figure") == 1
    assert page.tags.count("table") == 1
    assert "script" not in page.tags
    assert "".join(page.text).count(NOTICE) == 2
    # every link leads to a place on this page
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert any("better" in text for text in page.classes["good"])
    assert any("worse" in text for text in page.classes["bad"])


def test_pictures_travel_inside_the_page(picture):
    page = parsed(render("T", "V", [Section("S", (), (picture, picture))], {}))
    assert len(page.images) == 2
    for image in page.images:
        kind, data = image["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True) == picture.png
        assert picture.title in image["alt"]
        assert int(image["width"]) == int.from_bytes(picture.png[16:20], "big") > 1000


def test_nothing_is_fetched_and_no_place_on_the_machine_is_named(picture):
    html = render("T", "V", [Section("S", ("Text.",), (picture,))], {"Seed": "0"})
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert "http:" not in without_pictures
    assert "https:" not in without_pictures
    assert not re.search(r"url\(|@import|<link|<script|file:", without_pictures)
    assert not re.search(r"[\"'\s>](/(home|tmp|usr|work|root|Users)/|[A-Z]:\\)", without_pictures)
    assert b"http" not in picture.png  # the writer's own address would be in the picture's comment
    assert b"tEXt" not in picture.png


def test_text_is_escaped():
    evil = '<script>alert("1")</script> & more'
    section = Section(evil, (evil,), (), (Table(evil, (evil,), ((evil, Mark(evil, True)),)),))
    page = parsed(render(evil, evil, [section, section], {evil: evil}))
    assert "script" not in page.tags
    assert "".join(page.text).count(evil) == 19  # 2 titles, verdict, 2 links, 2 x 6 in the sections, 2 in the fact


def test_numbers_are_written_with_their_units():
    assert written(3.14159, "mm") == "3.14 mm"
    assert written(-0.5, digits=1) == "−0.5"
    assert written(-0.004) == "0.00"
    assert written(None, "mm") == written(float("nan"), "mm") == "not measured"


def test_changes_say_whether_they_are_good():
    dsc, asd = MEASURES[0], MEASURES[2]
    assert change(0.7, 0.9, dsc) == Mark("▲ 0.200, better", True)
    assert change(0.9, 0.7, dsc) == Mark("▼ 0.200, worse", False)
    assert change(3.0, 1.0, asd) == Mark("▼ 2.00 mm, better", True)
    assert change(1.0, 3.0, asd) == Mark("▲ 2.00 mm, worse", False)
    assert change(0.7, 0.7001, dsc) == Mark("unchanged", None)
    assert change(None, 1.0, asd) == Mark("", None)


def test_the_table_holds_what_was_measured():
    before = {"dsc": 0.5, "asd_mm": None, "tre_mm": None, "tre_points_mm": []}
    after = {"dsc": 0.75, "asd_mm": 2.0, "tre_mm": None, "tre_points_mm": []}
    table = before_and_after(before, after)
    assert [row[1:3] for row in table.rows] == [("0.500", "0.750"), ("not measured", "2.00 mm")]
    assert all(len(row) == len(table.columns) for row in table.rows)
