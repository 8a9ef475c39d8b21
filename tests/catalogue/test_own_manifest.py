"""A manifest of one's own over the bundled one: what it adds, replaces and takes over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from senet_cli.catalogue.lookup import Manifest, load_manifest
from senet_cli.errors import ManifestError, UnknownModelError
from tests.catalogue.manifests import ARCHITECTURE, CHECKPOINT, CKPT, MANIFEST, changed


def test_entries_are_added(load: Callable[[object], Manifest]) -> None:
    bundled, manifest = load_manifest(), load(MANIFEST)
    assert set(manifest.checkpoints) == {*bundled.checkpoints, "mynet.mine"}
    assert set(manifest.architectures) == {*bundled.architectures, "mynet-arch"}
    assert manifest.defaults == bundled.defaults | {"mynet": "mynet.mine"}
    for name, checkpoint in bundled.checkpoints.items():
        assert manifest.checkpoint(name) == checkpoint


def test_an_entry_is_replaced_under_all_its_names(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"architecture": "seresnet50-caffe", "aliases": ["se_resnet50"]}
    manifest = load({"schema": 1, "checkpoints": {"seresnet50.cadene": own}})
    assert manifest.checkpoint("seresnet50.cadene").publisher == "someone"
    assert manifest.checkpoint("se_resnet50").publisher == "someone"
    assert len(manifest.checkpoints) == len(load_manifest().checkpoints)
    with pytest.raises(UnknownModelError):
        manifest.checkpoint("cadene/se_resnet50")


def test_a_replaced_default_is_still_the_default(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"architecture": "seresnet101-caffe"}
    manifest = load({"schema": 1, "checkpoints": {"seresnet101.cadene": own}})
    assert manifest.checkpoint("seresnet101").publisher == "someone"
    assert manifest.family_of("seresnet101.cadene") == "seresnet101"


def test_an_alias_of_the_bundled_manifest_is_taken_over(load: Callable[[object], Manifest]) -> None:
    manifest = load(changed(((*CKPT, "aliases"), ["timm/seresnet50.a2_in1k"])))
    assert manifest.checkpoint("timm/seresnet50.a2_in1k").name == "mynet.mine"
    kept = manifest.checkpoint("seresnet50.a2")
    assert kept.aliases == ("seresnet50.a2_in1k",)
    assert manifest.checkpoint("seresnet50.a2_in1k") == kept


def test_an_alias_takes_over_a_family(load: Callable[[object], Manifest]) -> None:
    manifest = load(changed(((*CKPT, "aliases"), ["seresnet50"])))
    assert manifest.checkpoint("seresnet50").name == "mynet.mine"
    assert manifest.family_of("seresnet50.a2") is None


def test_an_alias_takes_over_the_name_of_a_bundled_checkpoint(load: Callable[[object], Manifest]) -> None:
    """Every name that one's own manifest uses is then its own."""
    manifest = load(changed(((*CKPT, "aliases"), ["seresnet50.ra2"])))
    assert manifest.checkpoint("seresnet50.ra2").name == "mynet.mine"


def test_a_checkpoint_may_be_called_like_a_family_or_an_alias(load: Callable[[object], Manifest]) -> None:
    own = CHECKPOINT | {"aliases": []}
    manifest = load(
        changed(
            (("checkpoints", "seresnet50"), own),
            (("checkpoints", "se_resnet50"), own),
        )
    )
    assert manifest.checkpoint("seresnet50").name == "seresnet50"
    assert manifest.checkpoint("se_resnet50").name == "se_resnet50"
    assert manifest.checkpoint("seresnet50.cadene").aliases == ("cadene/se_resnet50",)


def test_a_default_is_taken_over_and_may_point_into_the_bundled_manifest(
    load: Callable[[object], Manifest],
) -> None:
    manifest = load({"schema": 1, "defaults": {"seresnet50": "seresnet50.ra2", "mine": "senet154.gluon"}})
    assert manifest.checkpoint("seresnet50").name == "seresnet50.ra2"
    assert manifest.checkpoint("mine").name == "senet154.gluon"
    assert manifest.family_of("seresnet50.a2") is None


def test_a_default_for_a_name_that_is_taken_over_is_refused(load: Callable[[object], Manifest]) -> None:
    own = changed(((*CKPT, "aliases"), ["seresnet50.ra2"]), (("defaults", "mine"), "seresnet50.ra2"))
    with pytest.raises(
        ManifestError, match=r"`mine` stands for `seresnet50\.ra2`, an alias of `mynet\.mine`"
    ):
        load(own)


def test_an_architecture_is_replaced_for_new_entries_only(load: Callable[[object], Manifest]) -> None:
    """What a bundled checkpoint is does not change because a key now means something else."""
    manifest = load(
        changed(
            (("architectures", "seresnet50"), ARCHITECTURE),
            ((*CKPT, "architecture"), "seresnet50"),
        )
    )
    bundled = load_manifest()
    assert manifest.architecture("seresnet50").spec.depths == (1, 2)
    assert manifest.checkpoint("mynet").architecture.spec.depths == (1, 2)
    assert manifest.checkpoint("seresnet50.a2") == bundled.checkpoint("seresnet50.a2")


def test_a_manifest_may_name_its_json_schema(load: Callable[[object], Manifest]) -> None:
    assert load({"$schema": "anything", "schema": 1}) == load_manifest()
