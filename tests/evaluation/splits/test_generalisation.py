"""Each scheme makes the splits it promises: sizes, seeds, distance, clusters, kinds; and they can be kept."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist
from scipy.stats import kstest

from braincodec.datasets import Recording, Split
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
)
from braincodec.evaluation.checks import tiles
from braincodec.evaluation.splits import (
    Splits,
    cluster_splits,
    distance_splits,
    load_splits,
    ood_splits,
    random_splits,
    save_splits,
    split_diagnostics,
)
from braincodec.evaluation.splits.discrepancy import Population, discrepancies, kernel_width
from braincodec.evaluation.splits.distance import nearest_distances
from braincodec.evaluation.splits.embedding import directions, image_features
from braincodec.evaluation.splits.linkage import NEIGHBOURS, nearest_neighbours, spanning_tree
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet


def normalised(features):
    centred = features - features.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def with_near_copies(count=300, copies=60, seed=0):
    """Images of few dimensions, of which some have a near-copy: ids, features and the pairs."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((count, 8))
    latent[count - copies :] = latent[:copies] + 0.05 * rng.standard_normal((copies, 8))
    features = latent @ rng.standard_normal((8, 40))
    ids = [f"image{number:03d}" for number in range(count)]
    return ids, features, list(zip(ids[:copies], ids[count - copies :], strict=True))


@pytest.fixture(scope="module")
def near_copies():
    return with_near_copies()


@pytest.fixture(scope="module")
def distant(near_copies):
    ids, features, _ = near_copies
    return distance_splits(ids, features)


def a_recording(kinds):
    ids = [f"s{number}" for number in range(len(kinds))]
    units = build_units(ijk=[[0, 0, 0]])
    responses = build_responses(np.zeros((len(kinds), 1)), ids, units)
    responses = responses.assign_coords(kind=("stimulus", np.asarray(kinds)))
    stimuli = StimulusSet.open(np.zeros((len(kinds), 4, 4, 3), np.uint8), ids=ids)
    return Recording("test", "1", stimuli, responses, units, Split(train=ids))


class TestRandom:
    @settings(deadline=None, max_examples=40)
    @given(st.integers(10, 300), st.floats(0.1, 0.5), st.floats(0, 0.3), st.integers(0, 99))
    def test_parts_are_disjoint_whole_and_of_the_sizes_asked_for(self, count, test, validation, seed):
        ids = [f"i{number}" for number in range(count)]
        (split,) = random_splits(ids, seeds=[seed], test=test, validation=validation)
        assert sorted((*split.train, *split.validation, *split.test)) == sorted(ids)
        assert abs(len(split.test) - test * count) <= 1
        assert abs(len(split.validation) - validation * count) <= 1
        assert random_splits(ids, seeds=[seed], test=test, validation=validation) == [split]

    def test_five_seeds_are_the_default_and_differ(self):
        splits = random_splits(range(100))
        assert splits.scheme == "random"
        assert splits.settings["seeds"] == [0, 1, 2, 3, 4]
        assert [len(split.test) for split in splits] == [20] * 5
        assert len({split.test for split in splits}) == 5

    def test_every_stimulus_is_as_likely_to_test(self):
        splits = random_splits(range(50), seeds=range(400))
        counts = np.bincount([int(item) for split in splits for item in split.test], minlength=50)
        assert kstest((counts - 80) / 8, "norm").pvalue > 1e-3

    def test_groups_stay_together(self):
        groups = [number // 3 for number in range(90)]
        for split in random_splits(range(90), groups=groups, validation=0.1):
            for part in ("train", "validation", "test"):
                members = [int(item) // 3 for item in split.ids(part)]
                assert all(members.count(group) == 3 for group in members)
            assert 15 < len(split.test) <= 18
            assert 6 < len(split.validation) <= 9
        mapping = {str(number): group for number, group in enumerate(groups)}
        assert random_splits(range(90), groups=mapping) == random_splits(range(90), groups=groups)

    def test_shares_that_leave_nothing_are_refused(self):
        with pytest.raises(InputValueError, match="leave something to train on"):
            random_splits(range(10), test=0.7, validation=0.3)
        with pytest.raises(InputValueError, match="2 stimuli are too few: the test part would be empty"):
            random_splits(range(2))
        with pytest.raises(InputValueError, match="groups are too large"):
            random_splits(range(10), groups=["one"] * 10)
        with pytest.raises(InputValueError, match="groups has 3 entries for 10 stimuli"):
            random_splits(range(10), groups=[1, 2, 3])
        with pytest.raises(InputTypeError, match="not the string 'abc'"):
            random_splits("abc")


class TestDistance:
    def test_test_images_are_farther_from_training_images_than_in_any_random_split(self, near_copies, distant):
        ids, features, _ = near_copies
        unit = normalised(features)
        distances = 1 - unit @ unit.T

        def nearest(split):
            train, test = ([ids.index(item) for item in part] for part in (split.train, split.test))
            return distances[np.ix_(test, train)].min(axis=1)

        ours = nearest(distant[0])
        for other in random_splits(ids, seeds=range(20)):
            usual = nearest(other)
            assert ours.min() > 3 * usual.min()
            assert np.median(ours) > np.median(usual)
        assert ours.min() > distant.settings["radius"]
        assert distant.settings["nearest_smallest"] == pytest.approx(ours.min(), abs=1e-5)
        assert distant.settings["nearest_median"] == pytest.approx(np.median(ours), abs=1e-5)

    def test_sizes_are_eighty_to_twenty(self, near_copies, distant):
        (split,) = distant
        assert len(split) == len(near_copies[0])
        assert abs(len(split.test) - 60) <= 3

    def test_near_copies_are_never_divided(self, near_copies, distant):
        test = set(distant[0].test)
        for first, second in near_copies[2]:
            assert (first in test) == (second in test)

    def test_both_sides_match_as_random_halves_do(self, near_copies, distant):
        ids, features, _ = near_copies
        unit = normalised(features)
        width = kernel_width(unit.astype(np.float32))
        kernel = np.exp(-cdist(unit, unit, "sqeuclidean") / (2 * width))

        def discrepancy(split):
            test = np.isin(ids, split.test)
            within = [
                (kernel[np.ix_(side, side)].sum() - side.sum()) / (side.sum() * (side.sum() - 1))
                for side in (test, ~test)
            ]
            return sum(within) - 2 * kernel[np.ix_(test, ~test)].mean()

        ours = discrepancy(distant[0])
        usual = [discrepancy(split) for split in random_splits(ids, seeds=range(60))]
        assert ours <= np.median(usual)
        assert distant.settings["mmd2"] == pytest.approx(ours, abs=1e-5)

    def test_seed_decides(self, near_copies):
        ids, features, _ = near_copies
        again = distance_splits(ids, features)
        assert again == distance_splits(ids, features)
        assert again.settings == distance_splits(ids, features).settings
        assert distance_splits(ids, features, seed=1) != again

    def test_a_larger_discrepancy_allows_a_larger_radius(self, near_copies, distant):
        ids, features, _ = near_copies
        wider = distance_splits(ids, features, level=1.0)
        assert wider.settings["radius"] >= distant.settings["radius"]
        assert wider.settings["mmd2"] <= wider.settings["random_mmd2"]

    def test_validation_is_drawn_from_the_training_side(self, near_copies, distant):
        ids, features, _ = near_copies
        (split,) = distance_splits(ids, features, validation=0.1)
        assert split.test == distant[0].test
        assert len(split.validation) == 30
        assert len(split) == 300

    def test_identical_images_stay_on_one_side(self):
        rng = np.random.default_rng(3)
        features = rng.standard_normal((60, 10)).repeat(2, axis=0)
        (split,) = distance_splits(range(120), features)
        test = {int(item) for item in split.test}
        assert all((number in test) == (number ^ 1 in test) for number in range(120))

    def test_what_cannot_be_split_is_refused(self):
        with pytest.raises(InputValueError, match="at least 10 stimuli"):
            distance_splits(range(6), np.random.default_rng(0).random((6, 2)), test=0.4)
        with pytest.raises(InputValueError, match="copies of one image are so many"):
            distance_splits(range(20), np.array([[1.0, 2.0]] * 10 + [[3.0, 1.0]] * 10))
        with pytest.raises(InputValueError, match="features do not vary"):
            distance_splits(range(20), np.ones((20, 3)))
        with pytest.raises(InputValueError, match="with 20 stimuli, got"):
            distance_splits(range(20), np.ones((19, 3)))
        with pytest.raises(InputValueError, match="level must be above 0"):
            distance_splits(range(20), np.ones((20, 3)), level=0)
        with pytest.raises(InputValueError, match="features of ids alone cannot be computed"):
            distance_splits(range(20))


class TestCluster:
    def test_each_cluster_is_held_out_once(self):
        rng = np.random.default_rng(4)
        truth = np.repeat(np.arange(5), [30, 25, 20, 15, 10])
        features = 6 * np.eye(5)[truth] + rng.standard_normal((100, 5)) * 0.3
        order = rng.permutation(100)
        splits = cluster_splits(order, features[order])
        assert [len(split.test) for split in splits] == [30, 25, 20, 15, 10]
        for split, cluster in zip(splits, range(5), strict=True):
            assert {truth[int(item)] for item in split.test} == {cluster}
            assert len(split) == 100
        assert sorted(int(item) for split in splits for item in split.test) == list(range(100))

    def test_seed_decides_and_validation_comes_from_other_clusters(self):
        features = np.random.default_rng(5).standard_normal((80, 6))
        one = cluster_splits(range(80), features, validation=0.1)
        assert one == cluster_splits(range(80), features, validation=0.1)
        assert all(len(split.validation) == 8 for split in one)
        assert one.settings["k"] == 5

    def test_fewer_distinct_images_than_clusters_are_refused(self):
        with pytest.raises(InputValueError, match="5 clusters need as many distinct images; there are 2 among 10"):
            cluster_splits(range(10), np.repeat([[1.0, 2.0], [3.0, 1.0]], 5, axis=0))
        with pytest.raises(InputValueError, match="k must be at least 2"):
            cluster_splits(range(10), np.eye(10), k=1)


class TestOod:
    KINDS = ("photograph",) * 6 + ("sketch",) * 3 + ("noise",) * 2

    def test_a_kind_is_held_out(self):
        splits = ood_splits(range(11), self.KINDS, "sketch")
        assert splits[0].test == ("6", "7", "8")
        assert splits[0].train == ("0", "1", "2", "3", "4", "5", "9", "10")

    def test_several_kinds_together_or_separately_have_one_training_part(self):
        together = ood_splits(range(11), self.KINDS, ["sketch", "noise"])
        apart = ood_splits(range(11), self.KINDS, ["sketch", "noise"], separately=True)
        assert [split.test for split in together] == [("6", "7", "8", "9", "10")]
        assert [split.test for split in apart] == [("6", "7", "8"), ("9", "10")]
        assert {split.train for split in (*together, *apart)} == {("0", "1", "2", "3", "4", "5")}

    def test_recording_states_its_kinds_in_a_coordinate(self):
        recording = a_recording(self.KINDS)
        assert ood_splits(recording, held_out="noise")[0].test == ("s9", "s10")
        with pytest.raises(UnknownNameError, match="unknown coordinate of the responses 'category'"):
            ood_splits(recording, "category", "noise")

    def test_true_labels_are_held_out_without_being_named(self):
        labels = {str(number): number > 7 for number in range(10)}
        assert ood_splits(range(10), labels)[0].test == ("8", "9")

    def test_what_is_not_stated_is_refused(self):
        with pytest.raises(InputValueError, match="say which kinds are held out"):
            ood_splits(range(11), self.KINDS)
        with pytest.raises(UnknownNameError, match="did you mean 'sketch'"):
            ood_splits(range(11), self.KINDS, "scetch")
        with pytest.raises(InputValueError, match="all stimuli are of a kind held out"):
            ood_splits(range(3), ["a"] * 3, "a")
        with pytest.raises(InputValueError, match="only a recording can state them"):
            ood_splits(range(3), "kind", "a")
        with pytest.raises(InputValueError, match="1 stimuli have no entry in labels, the first is '2'"):
            ood_splits(range(3), {"0": "a", "1": "b"}, "a")


class TestStorage:
    def test_splits_come_back_with_their_settings(self, near_copies, distant, tmp_path):
        ids, features, _ = near_copies
        splits = {"random": random_splits(ids), "distance": distant, "cluster": cluster_splits(ids, features)}
        path = save_splits(tmp_path / "splits.json", splits, about={"dataset": "test"})
        found = load_splits(path, ids)
        assert found == splits
        for scheme, members in splits.items():
            assert isinstance(found[scheme], Splits)
            assert found[scheme].scheme == scheme
            assert found[scheme].settings == members.settings
        assert json.loads(path.read_text())["about"] == {"dataset": "test"}

    def test_existing_file_is_kept_unless_overwriting_is_asked_for(self, tmp_path):
        path = save_splits(tmp_path / "a.json", {"random": [Split(train=["a"])]})
        with pytest.raises(OutputError, match="exists"):
            save_splits(path, {"random": []})
        assert load_splits(path)["random"] == [Split(train=["a"])]
        save_splits(path, {"other": [Split(test=["b"])]}, overwrite=True)
        assert list(load_splits(path)) == ["other"]

    def test_nothing_is_written_when_something_is_no_split(self, tmp_path):
        with pytest.raises(InputTypeError, match="must be Split objects, not dict"):
            save_splits(tmp_path / "a.json", {"random": [{"train": ["a"]}]})
        with pytest.raises(InputTypeError, match="plain numbers, text and lists"):
            save_splits(tmp_path / "a.json", {"x": Splits([], "x", {"array": np.zeros(2)})})
        with pytest.raises(InputTypeError, match="plain numbers, text and lists"):
            save_splits(tmp_path / "a.json", {"x": Splits([], "x", {"radius": float("nan")})})
        assert list(tmp_path.iterdir()) == []

    def test_other_files_are_refused(self, tmp_path):
        with pytest.raises(MissingFileError, match="file of splits not found"):
            load_splits(tmp_path / "none.json")
        for text in ("", "[]", '{"format": "x", "version": 1}', '{"format": "braincodec splits"}'):
            (tmp_path / "bad.json").write_text(text)
            with pytest.raises(DamagedFileError, match=r"bad\.json"):
                load_splits(tmp_path / "bad.json")
        content = {"format": "braincodec splits", "version": 1, "about": {}}
        content["schemes"] = {"r": {"settings": {}, "splits": [{"train": ["a"], "test": ["a"]}]}}
        (tmp_path / "bad.json").write_text(json.dumps(content))
        with pytest.raises(DamagedFileError, match="both in train and in test"):
            load_splits(tmp_path / "bad.json")

    def test_ids_of_another_data_set_are_refused(self, tmp_path):
        path = save_splits(tmp_path / "a.json", {"random": [Split(train=["a"], test=["b"])]})
        with pytest.raises(InputValueError, match=r"random 0: 1 test stimuli .* the first is 'b'"):
            load_splits(path, ["a", "c"])


class TestDiagnostics:
    def test_distances_and_discrepancies_are_scipys(self, near_copies, distant):
        ids, features, _ = near_copies
        table = split_diagnostics(ids, {"distance": distant, "random": random_splits(ids, seeds=[0, 1])}, features)
        assert table["scheme"].tolist() == ["distance", "random", "random"]
        unit = normalised(features)
        for row, split in zip(table.itertuples(), [*distant, *random_splits(ids, seeds=[0, 1])], strict=True):
            train, test = (np.isin(ids, part) for part in (split.train, split.test))
            nearest = cdist(unit[test], unit[train], "cosine").min(axis=1)
            assert row.nearest_smallest == pytest.approx(nearest.min(), abs=1e-5)
            assert row.nearest_median == pytest.approx(np.median(nearest), abs=1e-5)
            assert (row.n_train, row.n_test) == (len(split.train), len(split.test))
        assert table["nearest_smallest"][0] > table["nearest_smallest"][1:].max()

    def test_clusters_are_other_populations(self):
        rng = np.random.default_rng(6)
        features = 3 * np.eye(5)[rng.integers(0, 5, 200)] + rng.standard_normal((200, 5))
        splits = {"random": random_splits(range(200)), "cluster": cluster_splits(range(200), features)}
        table = split_diagnostics(range(200), splits, features).groupby("scheme")["mmd2"]
        assert table.min()["cluster"] > 10 * table.max()["random"]

    def test_validation_stimuli_count_as_seen(self, near_copies):
        ids, features, pairs = near_copies
        first, second = pairs[0]
        rest = [item for item in ids if item not in (first, second)]
        hidden = Split(train=rest[:-1], validation=[first], test=[second, rest[-1]])
        table = split_diagnostics(ids, {"mine": [hidden]}, features)
        assert table["nearest_smallest"][0] < 0.05
        with pytest.raises(InputValueError, match="fewer than two stimuli on a side"):
            split_diagnostics(ids, {"mine": [dataclasses.replace(hidden, test=[second])]}, features)


class TestPieces:
    @settings(deadline=None, max_examples=25)
    @given(st.integers(2, 40), st.integers(0, 10_000), st.floats(0.01, 1.5))
    def test_groups_are_scipys_single_linkage(self, count, seed, radius):
        unit = normalised(np.random.default_rng(seed).standard_normal((count, 3))).astype(np.float32)
        tree = spanning_tree(unit)
        expected = linkage(pdist(unit.astype(np.float64), "cosine"), "single")
        np.testing.assert_allclose(tree.distances, expected[:, 2], atol=1e-6)
        if np.abs(expected[:, 2] - radius).min() < 1e-5:
            return
        ours, theirs = tree.groups(radius), fcluster(expected, radius, "distance")
        assert len({*zip(ours.tolist(), theirs.tolist(), strict=True)}) == len(set(ours.tolist()))
        assert len(set(ours.tolist())) == len(set(theirs.tolist()))

    @pytest.mark.parametrize("spread", [0.0, 0.02, 0.3])  # copies, clusters far apart, clusters that touch
    @pytest.mark.parametrize("clusters", [2, 5])
    def test_clusters_larger_than_the_neighbours_that_are_kept_are_joined_by_their_shortest_way(self, spread, clusters):
        rng = np.random.default_rng(clusters)
        centres = rng.standard_normal((clusters, 6)).repeat(3 * NEIGHBOURS, axis=0)
        unit = normalised(centres + spread * rng.standard_normal(centres.shape)).astype(np.float32)
        expected = linkage(pdist(unit.astype(np.float64), "cosine"), "single")[:, 2]
        np.testing.assert_allclose(spanning_tree(unit).distances, expected, atol=1e-6)

    @pytest.mark.parametrize("copies", [1, 3 * NEIGHBOURS])  # also where all neighbours are on one side
    def test_distances_to_training_images_are_the_same_by_way_of_neighbours(self, copies):
        rng = np.random.default_rng(6)
        unit = normalised(rng.standard_normal((6, 5)).repeat(copies, axis=0) + np.eye(1, 5)).astype(np.float32)
        test = np.arange(len(unit)) < 2 * copies
        expected = cdist(unit[test], unit[~test], "cosine").min(axis=1)
        np.testing.assert_allclose(nearest_distances(unit, ~test, test, nearest_neighbours(unit)), expected, atol=1e-6)
        np.testing.assert_allclose(nearest_distances(unit, ~test, test), expected, atol=1e-6)

    def test_one_test_set_after_the_first_pass_is_judged_as_all_are(self, monkeypatch):
        rng = np.random.default_rng(5)
        unit = normalised(rng.standard_normal((90, 6))).astype(np.float32)
        tests = [np.isin(np.arange(90), rng.permutation(90)[:size]) for size in (2, 18, 60)]
        width = kernel_width(unit)
        squared = cdist(unit, unit, "sqeuclidean")
        kernel = np.exp(-squared / (2 * width))
        for tile_bytes in (10**9, 8 * 90 * 7):  # at once, and in blocks
            monkeypatch.setattr(
                "braincodec.evaluation.splits.discrepancy.tiles",
                lambda count, bytes_each, tile_bytes=tile_bytes: tiles(count, bytes_each, tile_bytes=tile_bytes),
            )
            population = Population(unit, width, tests)
            for test, found in zip(tests, population.of_first, strict=True):
                n, m = test.sum(), (~test).sum()
                inside, outside = kernel[test][:, test].sum() - n, kernel[~test][:, ~test].sum() - m
                expected = inside / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * kernel[test][:, ~test].mean()
                assert found == pytest.approx(expected, abs=1e-6)
                assert population.discrepancy(test) == pytest.approx(found, abs=1e-6)

    def test_equal_distances_still_give_one_tree(self):
        unit = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
        tree = spanning_tree(unit)
        assert tree.edges.shape == (19, 2)
        assert tree.distances.tolist() == [0.0] * 16 + [1.0] * 3
        assert len(set(tree.groups(0.5).tolist())) == 4

    def test_discrepancy_of_random_halves_is_zero_on_average(self):
        rng = np.random.default_rng(7)
        unit = normalised(rng.standard_normal((80, 6))).astype(np.float32)
        tests = [np.isin(np.arange(80), rng.permutation(80)[:16]) for _ in range(400)]
        found = discrepancies(unit, tests, kernel_width(unit))
        assert abs(found.mean()) < 3 * found.std() / 20 + 1e-4

    def test_features_are_averages_over_space_in_the_order_of_the_stimuli(self):
        images = np.random.default_rng(8).integers(0, 255, (5, 40, 40, 3), dtype=np.uint8)
        bank = {"backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"}
        stimuli = StimulusSet.open(images)
        whole = image_features(stimuli, bank, batch_size=2)
        np.testing.assert_allclose(image_features(stimuli[[3]], bank), whole[[3]], rtol=1e-4, atol=1e-5)
        assert len(whole) == 5
        with pytest.raises(InputValueError, match="state which layers"):
            image_features(stimuli, "gabor:bank")

    def test_recording_and_stimulus_set_bring_their_own_images(self):
        images = np.random.default_rng(9).integers(0, 255, (20, 40, 40, 3), dtype=np.uint8)
        bank = {"backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"}
        stimuli = StimulusSet.open(images)
        features = xr.DataArray(
            image_features(stimuli, bank), dims=("stimulus", "feature"), coords={"stimulus": stimuli.ids}
        )
        assert distance_splits(stimuli, bank) == distance_splits(stimuli.ids, features[::-1])

    def test_direction_of_a_stimulus_at_the_mean_is_zero(self):
        found = directions(np.array([[1.0, 1.0], [2.0, 3.0]]), np.array([1.0, 1.0]))
        assert found[0].tolist() == [0.0, 0.0]
        assert np.linalg.norm(found[1]) == pytest.approx(1)
