"""Messages of other sources: what each label teaches, and that nothing held out is learned."""

import pytest

from model.data.messages import answers_of, load_messages, without_held
from model.data.rows import Row


def message(source="HumAID", raw="", category="other_relevant_information", info="informative", **changes):
    return {"source": source, "label_raw": raw, "label_human": category, "label_info": info, **changes}


@pytest.mark.parametrize(
    ("source", "raw", "category", "expected"),
    [
        ("HumAID", "requests_or_urgent_needs", "rescue_volunteering_or_donation_effort", "request"),
        ("HumAID", "rescue_volunteering_or_donation_effort", "rescue_volunteering_or_donation_effort", "no_request"),
        ("Appen original", "related;request;aid_related", "affected_individuals", "request"),
        ("Appen original", "related;requested_aid", "affected_individuals", "no_request"),
        ("CrisisNLP_LREC2016_CF", "missing_trapped_or_found_people", "affected_individuals", None),
        ("CrisisNLP_LREC2016_volunteers", "Needs of those affected", "affected_individuals", None),
        ("CrisisNLP_LREC2016_CF", "caution_and_advice", "other_relevant_information", "no_request"),
        ("CrisisLexT26", "Related and informative | Caution and advice", "other_relevant_information", "no_request"),
        ("CrisisLexT26", "Related and informative | Affected individuals", "affected_individuals", None),
        ("SoSItalyT4", "not relevant", "not_humanitarian", "no_request"),
        ("SoSItalyT4", "damage", "", None),
    ],
)
def test_who_asks_for_help_is_learned_only_where_the_source_tells(source, raw, category, expected):
    assert answers_of(message(source, raw, category)).get("request") == expected


def test_a_label_nobody_gave_is_none():
    assert answers_of(message("SoSItalyT4", "damage", "", "")) == {}


def test_a_text_that_is_held_out_is_not_learned_from_another_event():
    rows = [Row("1", 7, "a", "train"), Row("2", 7, "b", "test"), Row("3", 8, "a", "train")]
    assert [row.key for row in without_held(rows)] == ["2", "3"]


def table(tmp_path, rows):
    pandas = pytest.importorskip("pandas")
    (tmp_path / "text").mkdir()
    pandas.DataFrame(rows).to_parquet(tmp_path / "text" / "multilingual_unified.parquet")
    return tmp_path


def test_messages_are_read_with_their_split_and_near_copies_left_out(tmp_path):
    extra = {"lang": "es", "in_crisismmd_split": ""}
    rows = [
        message(id="1", event="2013_Spain_train_crash", text="tren", text_key="a", **extra),
        message(id="2", event="kerala_floods_2018", text="agua", text_key="b", **extra),
        message(id="3", event="kerala_floods_2018", text="tren", text_key="a", **extra),
        message(id="4", event="kerala_floods_2018", text="x", text_key="c", **{**extra, "in_crisismmd_split": "test"}),
    ]
    found = load_messages(table(tmp_path, rows), first_group=5)
    assert [(row.key, row.split, row.group, row.language) for row in found] == [
        ("1", "test", 5, "es"),
        ("2", "train", 6, "es"),
    ]


def test_a_message_and_its_translation_are_on_one_side(tmp_path):
    rows = [
        message(
            source,
            id=f"{number}{kind}",
            event="appen_direct",
            text=f"{number}{kind}",
            text_key=f"{number}{kind}",
            lang="",
        )
        for number in range(60)
        for source, kind in (("Appen original", "_orig"), ("Appen/Figure-Eight Disaster Response", ""))
    ]
    found = load_messages(table(tmp_path, rows))
    splits = {}
    for row in found:
        splits.setdefault(row.key.split("_")[0], set()).add(row.split)
    assert all(len(each) == 1 for each in splits.values())
    assert set.union(*splits.values()) == {"train", "dev", "test"}


def test_a_missing_column_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="no column 'event'"):
        load_messages(table(tmp_path, [message(id="1", text="x", text_key="a", lang="")]))


def test_a_missing_table_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="other languages"):
        load_messages(tmp_path)
