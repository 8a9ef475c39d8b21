"""Choosing from the list: filters, order, and a table that fits whatever the names are."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from senet_cli.catalogue.entries import OWN_RUN, Metric
from senet_cli.catalogue.labels import load_labels
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.models_table import overview, short, table
from senet_cli.errors import UsageError
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.tasks.list_models import ListRequest, SortKey, Summary, checkpoint_summary
from senet_cli.tasks.recommend import recommend, undominated
from tests.conftest import Senet

MANIFEST = load_manifest()
ENTRIES = [checkpoint_summary(c, MANIFEST, cached=False) for c in MANIFEST.checkpoints.values()]
NAMES = [entry.name for entry in ENTRIES]


def chosen(**wanted: object) -> list[str]:
    return [entry.name for entry in ListRequest(**wanted).apply(ENTRIES)]  # type: ignore[arg-type]


# --- filters --------------------------------------------------------------------------------------


def test_nothing_asked_for_is_everything_in_the_manifests_order() -> None:
    assert chosen() == NAMES


def test_names_and_patterns() -> None:
    assert chosen(names=("senet154*",)) == [name for name in NAMES if name.startswith("senet154")]
    assert chosen(names=("SEResNet50",)) == chosen(families=("seresnet50",))
    assert chosen(names=("se_resnet50",)) == ["seresnet50.cadene"]
    assert chosen(names=("*.caffe", "senet154.gl?on")) == [
        name for name in NAMES if name.endswith(".caffe") or name == "senet154.gluon"
    ]
    with pytest.raises(UsageError):
        chosen(names=("vgg*",))


def test_a_family() -> None:
    assert chosen(families=("SENet154",)) == [name for name in NAMES if name.startswith("senet154.")]
    both = chosen(families=("senet154", "seresnet50"))
    assert {name.partition(".")[0] for name in both} == {"senet154", "seresnet50"}


def test_a_publisher_is_a_word_of_the_name() -> None:
    assert "senet154.cadene" in chosen(publishers=("cadene",))
    assert {"senet154.gluon"} == {*chosen(publishers=("GluonCV",))} & {*chosen(families=("senet154",))}
    with pytest.raises(UsageError):
        chosen(publishers=("caden",))


def test_labels_and_size_together() -> None:
    small = chosen(labels=("imagenet-1k",), max_bytes=70e6)
    assert {"seresnet18.legacy", "seresnext26_32x4d.legacy"} <= set(small)
    assert all(entry.labels == "imagenet-1k" for entry in ENTRIES if entry.name in small)
    assert all(entry.likely_bytes <= 70e6 for entry in ENTRIES if entry.name in small)
    assert BUNDLED_MODEL in chosen(labels=("CIFAR-10",))


def test_an_unknown_size_is_four_bytes_a_parameter() -> None:
    entry = replace(ENTRIES[0], bytes=None, parameters=1_000_000)
    assert ListRequest(max_bytes=4e6).apply([entry]) == [entry]
    assert ListRequest(max_bytes=3.9e6).apply([entry]) == []


def test_only_what_is_here() -> None:
    entries = [replace(entry, cached=entry.name == "senet154.gluon") for entry in ENTRIES]
    assert [entry.name for entry in ListRequest(cached=True).apply(entries)] == ["senet154.gluon"]


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        ({"names": ("seresnet5O",)}, "name `seresnet5O`", "Did you mean `seresnet50` or "),
        ({"families": ("seresnet5O",)}, "family `seresnet5O`", "Did you mean `seresnet50` or "),
        ({"publishers": ("nobody",)}, "publisher `nobody`", "Cadene, "),
        ({"labels": ("imagenet",)}, "labels `imagenet`", "cifar-10, "),
    ],
)
def test_a_value_that_nothing_has_is_told_with_what_there_is(
    wanted: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(**wanted)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint.partition("There is")[0].count("`") <= 2 * 3  # at most three suggestions


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "field", "falling"),
    [
        ("top1", "top1", True),
        ("top5", "top5", True),
        ("parameters", "parameters", False),
        ("multiply-adds", "multiply_adds", False),
        ("bytes", "likely_bytes", False),
        ("name", "name", False),
    ],
)
def test_the_best_first_and_what_is_not_known_last(key: SortKey, field: str, falling: bool) -> None:
    entries = ListRequest(sort=key).apply([*ENTRIES[:-1], replace(ENTRIES[-1], top1=None, top5=None)])
    values = [getattr(entry, field) for entry in entries]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=falling)
    assert values[: len(known)] == known
    assert sorted(entry.name for entry in entries) == sorted(NAMES)


# --- the table ------------------------------------------------------------------------------------


def long(*names: str) -> list[Summary]:
    return [replace(ENTRIES[0], name=name) for name in names]


@pytest.mark.parametrize("width", [1, 80])
@pytest.mark.parametrize("longest", [4, 28, 29, 36, 37, 70])
def test_every_name_is_whole_and_no_line_wider_than_80(longest: int, width: int) -> None:
    names = ["a.b", "x" * longest, "y" * (longest - 1)]
    lines = table(long(*names), width).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[0] in "axy"] == names
    assert sum("71.74" in line for line in lines) == 3


def test_a_wider_terminal_shows_more() -> None:
    heads = [table(ENTRIES, width).splitlines()[1].split() for width in (80, 100, 120, 300)]
    assert heads[0][-1] == "labels"
    assert heads[-1][-4:] == ["labels", "digest", "licence", "publisher"]
    assert [len(head) for head in heads] == sorted(len(head) for head in heads)
    assert all(
        max(map(len, table(ENTRIES, width).splitlines())) <= width for width in (50, 80, 100, 120, 300)
    )


def test_each_label_set_has_a_table_of_its_own() -> None:
    text = table(ENTRIES, 80)
    headings = [line for line in text.splitlines() if re.fullmatch(r"[a-z0-9-]+: \d+ models?", line)]
    sets = list(dict.fromkeys(entry.labels for entry in ENTRIES))
    assert [heading.partition(":")[0] for heading in headings] == sets
    assert text.count("\nname ") == len(sets)


def test_an_accuracy_of_ones_own_stands_apart() -> None:
    own = Metric("5 images held back", 80.0, None, 32, OWN_RUN, 5)
    checkpoint = replace(MANIFEST.checkpoint(BUNDLED_MODEL), metrics=(own,))
    summary = checkpoint_summary(checkpoint, MANIFEST, cached=True)
    assert (summary.top1, summary.own_top1, summary.own_images) == (None, 80.0, 5)
    assert ListRequest(sort="top1").apply([summary, ENTRIES[0]]) == [ENTRIES[0], summary]
    for width in (50, 80, 120):
        head, line = table([summary], width).splitlines()[1:3]
        assert "yours" in head
        assert "80.00 of 5" in line
        assert "yours" not in table(ENTRIES, width)


# --- what to begin with ---------------------------------------------------------------------------


def made(*pairs: tuple[float, float]) -> list[Summary]:
    """Models of an accuracy and so many multiply-adds."""
    return [
        replace(ENTRIES[0], name=f"m{number}", top1=top1, multiply_adds=round(1e9 * macs))
        for number, (top1, macs) in enumerate(pairs)
    ]


def test_only_models_that_none_beats_are_recommended() -> None:
    entries = made((70, 1), (69, 1.5), (80, 4), (80, 5), (82, 32))
    assert [entry.name for entry in undominated(entries)] == ["m0", "m2", "m4"]
    found = recommend(reversed(entries))
    assert found is not None
    assert [entry.name for entry in found] == ["m0", "m2", "m4"]


def test_the_bends_of_the_curve_are_recommended() -> None:
    """By hand: from (70, 1) to (86, 16) four points a doubling; at 4 that is 78. Left of it, 7 a doubling."""
    found = recommend(made((70, 1), (79, 2), (84, 4), (85, 8), (86, 16)))
    assert found is not None
    assert [entry.name for entry in found] == ["m1", "m2", "m4"]


def test_accuracies_of_other_label_sets_and_unknown_ones_do_not_count() -> None:
    other = [replace(entry, labels="svhn") for entry in made((97, 0.1))]
    assert recommend([*other, replace(ENTRIES[0], top1=None)]) is None
    (one,) = made((70, 1))
    assert recommend([*other, one]) == (one, one, one)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_overview_recommends_what_is_computed(width: int) -> None:
    text = overview(ENTRIES, width)
    found = recommend(ENTRIES)
    assert found is not None
    assert text.startswith(f"{len(ENTRIES)} models, 0 of them on this machine.\n")
    for word, entry in found._asdict().items():
        assert re.search(rf"{word},? +{re.escape(entry.name)}", text)
    assert max(map(len, text.splitlines())) <= width


def test_an_empty_table_has_a_head() -> None:
    assert table([], 80).split()[:2] == ["name", "*"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0, "0"), (999, "999"), (1000, "1.00 k"), (9_994, "9.99 k"), (9_996, "10.0 k"), (99_960, "100 k")),
        *((999_499, "999 k"), (999_500, "1.00 M"), (28_088_024, "28.1 M"), (4_091_699_200, "4.09 G")),
        (5 * 10**15, "5000 T"),
    ],
)
def test_three_digits_and_a_unit(number: int, text: str) -> None:
    assert short(number) == text


# --- the command ----------------------------------------------------------------------------------


def test_the_options_reach_the_list(senet: Senet) -> None:
    options = ("--family", "senet154", "--publisher", "timm", "--labels", "imagenet-1k", "--max-size", "500")
    done = senet("list", *options, "--sort", "top1", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [fact["name"] for fact in json.loads(done.stdout)] == ["senet154.legacy", "senet154.gluon"]


def test_nothing_fits(senet: Senet) -> None:
    done = senet("list", "--max-size", "0", "--format", "json")
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert "no model fits" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--family", "nothing"),
        ("--sort", "size"),
        ("--max-size", "-1"),
        ("--architectures", "--cached"),
    ],
)
def test_wrong_usage(senet: Senet, options: tuple[str, ...]) -> None:
    done = senet("list", *options)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_classes_of_a_model(senet: Senet) -> None:
    rows = [line.split("\t") for line in senet("info", "seresnet50", "--classes").stdout.splitlines()]
    assert rows[0] == ["index", "id", "label", "synonyms"]
    assert rows[3] == [
        *("2", "n01484850", "great white shark"),
        "white shark, man-eater, man-eating shark, Carcharodon carcharias",
    ]
    facts = json.loads(senet("info", BUNDLED_MODEL, "--classes", "--format", "json").stdout)
    assert [fact["label"] for fact in facts] == list(load_labels("cifar-10").labels)


def test_info_says_where_the_file_is(senet: Senet) -> None:
    facts = json.loads(senet("info", BUNDLED_MODEL, "--format", "json").stdout)
    assert facts["cached"] is True
    assert facts["path"] == str(MANIFEST.checkpoint(BUNDLED_MODEL).files[0].path)
