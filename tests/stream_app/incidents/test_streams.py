"""Incidents of whole streams: what belongs together is together, the gravest is found and stands on top."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from itertools import combinations
from pathlib import Path

import pytest
from factories import START, make_event, make_label

from stream_app.incidents.grouping import Grouping
from stream_app.incidents.sighting import sighting_of
from stream_app.pipeline.posts.place import place_in
from stream_app.settings import IncidentSettings

STREAM = Path(__file__).parent / "samples" / "stream.tsv"
RULES = IncidentSettings()
CATEGORIES = {
    "A": "affected_individuals",
    "I": "infrastructure_and_utility_damage",
    "R": "rescue_volunteering_or_donation_effort",
    "O": "other_relevant_information",
    "N": "not_humanitarian",
}
GRAVE = ("ratnapura", "valencia", "kharkiv", "derna", "noto", "paradise", "portoalegre")
F1_FLOOR = 0.85


def stream():
    """Event of each post, and the post labelled; each by an author of its own."""
    lines = [line.split("\t") for line in STREAM.read_text().splitlines() if not line.startswith("#")]
    for number, (event, language, minute, category, asks, text) in enumerate(lines):
        post = make_event(
            f"p{number}",
            text,
            humanitarian=CATEGORIES[category],
            probability=0.75,
            author=f"a{number}",
            minutes=float(minute),
            language=language,
            place=place_in(text, language),
        )
        request = make_label("request", "request" if asks else "no_request", 0.8)
        yield event, post.model_copy(update={"labels": post.labels.model_copy(update={"request": request})})


def grouped(posts):
    grouping = Grouping(RULES)
    of = {}
    for post in sorted(posts, key=lambda post: post.post.created_at):
        sighting = sighting_of(post, RULES)
        if sighting is not None:
            of[post.post.id] = grouping.add(sighting)
    return of, grouping.changed(START)


def pairwise_f1(truth, found):
    """Precision, recall and F1 over pairs of posts: together in truth, together as found."""
    same = Counter()
    for one, other in combinations(sorted(truth), 2):
        real = truth[one] == truth[other] != "-"
        got = one in found and other in found and found[one] == found[other]
        same["both"] += real and got
        same["real"] += real
        same["got"] += got
    precision, recall = same["both"] / same["got"], same["both"] / same["real"]
    return precision, recall, 2 * precision * recall / (precision + recall)


@pytest.fixture(scope="module")
def told():
    posts = list(stream())
    of, incidents = grouped([post for _, post in posts])
    truth = {post.post.id: event for event, post in posts}
    named = defaultdict(Counter)
    for incident in incidents:
        for member in incident.members:
            named[incident.id][truth[member.partition(":")[2]]] += 1
    ranked = sorted(incidents, key=lambda each: -each.severity_score)
    return truth, of, ranked, {name: counts.most_common(1)[0][0] for name, counts in named.items()}


def test_posts_of_one_event_are_together(told, capsys):
    truth, of, *_ = told
    precision, recall, f1 = pairwise_f1(truth, of)
    with capsys.disabled():
        print(f"\npairwise precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}")
    assert f1 >= F1_FLOOR


def test_every_grave_event_is_an_incident_and_nothing_else_but_the_bridge(told, capsys):
    _, _, ranked, name = told
    with capsys.disabled():
        for each in ranked:
            print(f"{each.severity_score:.2f} {each.severity:8} {each.post_count:3d} {name[each.id]:12} {each.title}")
    found = [name[each.id] for each in ranked]
    assert set(found) >= set(GRAVE)
    assert len(found) == len(set(found)), "an event is one incident"
    assert "-" not in found


def test_people_stand_above_things(told):
    _, _, ranked, name = told
    order = [name[each.id] for each in ranked]
    assert order.index("kandybridge") > max(order.index(event) for event in GRAVE)
    assert {each.category for each in ranked if name[each.id] in GRAVE} == {"affected_individuals"}
    assert all(each.severity in ("severe", "moderate") for each in ranked if name[each.id] in GRAVE)


@pytest.mark.shared
def test_the_first_300_real_posts_of_a_flood(shared, capsys):
    """With the labels that CrisisMMD gives their texts, and no authors: none are known."""
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_parquet(shared / "crisismmd" / "crisismmd_v2_unified.parquet")
    rows = rows[rows.event == "srilanka_floods"].drop_duplicates("tweet_id").sort_values("created_at").head(300)
    posts = []
    for row in rows.itertuples():
        place = place_in(row.tweet_text, "en")
        labelled = make_event(row.tweet_id, row.tweet_text, humanitarian=row.text_human5, probability=0.75, place=place)
        written = datetime.fromisoformat(row.created_at)
        post = labelled.post.model_copy(update={"created_at": written})
        timings = labelled.timings.model_copy(update={"produced_at": written})
        posts.append(labelled.model_copy(update={"post": post, "timings": timings}))
    of, incidents = grouped(posts)
    ranked = sorted(incidents, key=lambda each: -each.severity_score)
    with capsys.disabled():
        print(f"\n{len(of)} of {len(posts)} posts count, {len(incidents)} incidents:")
        for each in ranked:
            print(f"{each.severity_score:.2f} {each.severity:8} {each.post_count:3d} {each.title}")
    assert 5 <= len(incidents) <= 15
    assert ranked[0].place.country_code == "LK"
    assert ranked[0].category == "affected_individuals"
    assert {"LK", "BD"} <= {each.place.country_code for each in incidents if each.place}
