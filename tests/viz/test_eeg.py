"""EEG over time and over the scalp."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("mne")
pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import (
    plot_accuracy_over_time,
    plot_time_course,
    plot_topographies,
    plot_topography,
    text_alternative,
)

from .drawn import panels, texts

CHANNELS = ["Oz", "PO8", "Cz", "Fz", "T7"]


def scalps(figure) -> list:
    from matplotlib.image import AxesImage

    return [image for image in figure.findobj(AxesImage) if image.get_array().ndim == 2]


def test_time_course_draws_all_channels_and_tells_the_peaks(eeg_responses, axes):
    course = eeg_responses.sel(stimulus="a").mean("repetition")
    figure = plot_time_course(course, channels=("Oz", "PO8"), marks=(0.17,), axes=axes)
    assert figure is axes.figure
    assert {"Oz", "PO8"} <= set(texts(figure))
    assert len(axes.lines) == 6 + 2 + 2 + 1
    coloured = [line for line in axes.lines if line.get_linewidth() > 1.5]
    np.testing.assert_allclose(coloured[1].get_ydata(), course.sel(channel="PO8"))
    np.testing.assert_allclose(coloured[1].get_xdata(), course.time * 1000)
    assert "PO8 peaks at 170 ms with -5.0 µV" in text_alternative(figure)
    assert axes.get_xlabel() == "Time from stimulus onset (ms)"


def test_time_course_names_the_largest_channels_where_the_usual_are_absent(eeg_responses):
    course = eeg_responses.sel(stimulus="a").mean("repetition").sel(channel=["Fz", "T7", "T8"])
    assert {"Fz", "T7", "T8"} <= set(texts(plot_time_course(course)))


def test_time_course_refuses_other_dims_and_channels(eeg_responses):
    with pytest.raises(InputValueError, match="channel, time"):
        plot_time_course(eeg_responses.sel(stimulus="a"))
    with pytest.raises(UnknownNameError, match="PO8"):
        plot_time_course(eeg_responses[0].mean("repetition"), channels=("PO9",))
    with pytest.raises(InputValueError, match="at most 6"):
        plot_time_course(eeg_responses[0].mean("repetition"), channels=["Oz"] * 7)


def test_accuracy_lies_between_its_bounds_and_the_upper_one_is_called_optimistic(eeg):
    figure = plot_accuracy_over_time(eeg)
    (panel,) = panels(figure)
    mean = eeg.units.mean("channel")
    drawn = [line.get_ydata() for line in panel.lines]
    for name in ("accuracy_half", "noise_ceiling_lower", "noise_ceiling_upper"):
        assert any(len(y) == mean.sizes["time"] and np.allclose(y, mean[name]) for y in drawn)
    assert "noise ceiling, upper\n(optimistic)" in texts(figure)
    assert "noise ceiling, lower" in texts(figure)
    peak = int(mean.accuracy_half.values.argmax())
    accuracy, lower, upper = (
        float(mean[name][peak]) for name in ("accuracy_half", "noise_ceiling_lower", "noise_ceiling_upper")
    )
    assert (
        f"highest at {1000 * float(mean.time[peak]):.0f} ms with a correlation of {accuracy:.2f}, "
        f"where the noise ceiling is lower {lower:.2f} and upper, optimistic, {upper:.2f}"
    ) in text_alternative(figure)
    assert "mean of 12 channels, 30 stimuli" in texts(figure)


def test_accuracy_of_chosen_channels_is_their_mean(eeg):
    (panel,) = panels(plot_accuracy_over_time(eeg, channels=["Oz", "O1"]))
    expected = eeg.units.accuracy_half.sel(channel=["Oz", "O1"]).mean("channel")
    assert any(np.allclose(line.get_ydata(), expected) for line in panel.lines if len(line.get_ydata()) == 31)


def test_accuracy_without_ceilings_says_so(eeg):
    figure = plot_accuracy_over_time(eeg.units[["correlation"]])
    assert "no noise ceiling" in text_alternative(figure)
    assert not any("ceiling" in text for text in texts(figure))


def test_arrays_come_with_their_bounds(eeg):
    units = eeg.units
    figure = plot_accuracy_over_time(
        units.accuracy_half, lower=units.noise_ceiling_lower, upper=units.noise_ceiling_upper
    )
    assert "where the noise ceiling is lower" in text_alternative(figure)


def test_single_repetitions_are_dashed_beside_the_mean_of_all(eeg, axes):
    units = eeg.units
    shares = xr.DataArray([0.5, 0.6, 0.7, 0.8], dims="repetition")
    single = units.accuracy_half * shares
    channels = ["Oz", "O1"]
    figure = plot_accuracy_over_time(units.accuracy_half, single=single, channels=channels, axes=axes)
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_ydata()) == 31]
    expected = single.sel(channel=channels).mean("channel")
    np.testing.assert_allclose([line.get_ydata() for line in dashed], expected.transpose("repetition", "time"))
    assert {"all repetitions", "single repetitions"} <= set(texts(figure))
    low, high = expected.mean("time").values[[0, -1]]
    assert f"4 models of single repetitions, dashed, the means over time are {low:.2f} to {high:.2f}" in (
        text_alternative(figure)
    )
    table = units.assign(accuracy_correlation_single_repetition=single)
    assert text_alternative(plot_accuracy_over_time(table)).count("dashed") == 1
    both = xr.concat([units.accuracy_half, units.accuracy_half], xr.Variable("subject", ["1", "2"]))
    figure = plot_accuracy_over_time(both, single=both * shares)
    assert f"time are {float(single.mean(('channel', 'time'))[0]):.2f}" in text_alternative(figure)
    with pytest.raises(InputValueError, match="needs repetition, channel and time"):
        plot_accuracy_over_time(units.accuracy_half, single=units.accuracy_half)


def test_several_subjects_are_thin_lines_around_their_mean(eeg):
    import xarray as xr

    both = xr.concat([eeg.units.accuracy_half, eeg.units.accuracy_half + 0.1], xr.Variable("subject", ["1", "2"]))
    figure = plot_accuracy_over_time(both)
    (panel,) = panels(figure)
    mean = both.mean(("subject", "channel"))
    bold = [line for line in panel.lines if line.get_linewidth() == 2]
    np.testing.assert_allclose(bold[0].get_ydata(), mean)
    assert sum(line.get_linewidth() < 0.7 for line in panel.lines) == 2
    assert "2 subjects" in text_alternative(figure)


def test_channels_and_times_without_a_value_are_left_out(eeg):
    accuracy = eeg.units.accuracy_half.copy()
    accuracy[0] = np.nan
    accuracy[:, 3] = np.nan
    (panel,) = panels(plot_accuracy_over_time(accuracy))
    drawn = next(line.get_ydata() for line in panel.lines if line.get_linewidth() == 2)
    assert np.isnan(drawn[3])
    np.testing.assert_allclose(drawn[10], accuracy[1:, 10].mean())


def test_accuracy_over_time_says_what_is_missing(eeg, fmri):
    with pytest.raises(UnknownNameError, match="channel 'Ox'"):
        plot_accuracy_over_time(eeg, channels=["Ox"])
    with pytest.raises(InputValueError, match="at least one channel"):
        plot_accuracy_over_time(eeg, channels=[])
    with pytest.raises(InputValueError, match="over channel and time"):
        plot_accuracy_over_time(fmri)
    with pytest.raises(InputTypeError, match="not ndarray"):
        plot_accuracy_over_time(np.zeros((2, 3)))


def test_topography_is_symmetric_around_zero_by_default(axes):
    values = np.array([1.0, -3.0, 0.0, 0.5, 0.2])
    figure = plot_topography(values, CHANNELS, axes=axes)
    assert figure is axes.figure
    (image,) = scalps(figure)[:1]
    assert image.get_clim() == (-3, 3)
    assert float(np.nanmin(image.get_array())) < -1.5
    assert "highest at Oz (1.00 µV), lowest at PO8 (-3.00 µV)" in text_alternative(figure)


def test_topography_leaves_out_channels_without_a_value():
    values = np.array([1.0, -3.0, 0.0, 0.5, np.nan])
    figure = plot_topography(values, CHANNELS, colour_bar=False)
    assert np.isfinite(scalps(figure)[0].get_array()).any()
    with pytest.raises(InputValueError, match="4 channels with a value, not 3"):
        plot_topography(np.where(values == 0.5, np.nan, values), CHANNELS)


def test_topography_refuses_unknown_channels_and_wrong_numbers():
    with pytest.raises(UnknownNameError, match="10-10"):
        plot_topography(np.zeros(2), ["Oz", "XY"])
    with pytest.raises(InputValueError, match="one value a channel"):
        plot_topography(np.zeros(3), ["Oz", "Cz"])
    with pytest.raises(InputTypeError, match="needs the names"):
        plot_topography(np.zeros(3))


def test_topographies_share_one_scale_and_name_the_samples_drawn(eeg):
    figure = plot_topographies(eeg, times=(0.1, 0.171))
    scales = {image.get_clim() for image in scalps(figure)[:2]}
    assert len(scales) == 1
    assert {"100 ms", "180 ms"} <= set(texts(figure))
    at = eeg.units.accuracy_half.sel(time=0.1)
    highest = str(at.channel.values[int(at.values.argmax())])
    assert f"at 100 ms highest at {highest} ({float(at.max()):.2f})" in text_alternative(figure)


def test_topographies_of_responses_are_in_microvolts(eeg_responses, axes):
    course = eeg_responses.sel(stimulus="a").mean("repetition")
    figure = plot_topographies(course, times=[0.17], axes=axes)
    assert "µV" in texts(figure)
    assert "highest at Oz (2.00 µV), lowest at PO8 (-5.00 µV)" in text_alternative(axes)


def test_default_latencies_are_those_recorded(eeg):
    assert {"100 ms", "180 ms", "240 ms"} <= set(texts(plot_topographies(eeg)))
    early = eeg.units.accuracy_half.sel(time=slice(None, 0.08))
    latest = int(np.abs(early).mean("channel").values.argmax())
    assert f"{1000 * float(early.time[latest]):.0f} ms" in texts(plot_topographies(early))


def test_topographies_refuse_latencies_outside_the_times(eeg, fmri):
    with pytest.raises(InputValueError, match=r"0.9 s lies outside the times, -0.1 to 0.5 s"):
        plot_topographies(eeg, times=[0.9])
    with pytest.raises(InputValueError, match="at least one latency"):
        plot_topographies(eeg, times=[])
    with pytest.raises(InputValueError, match="channel, time"):
        plot_topographies(fmri)


def test_an_array_of_a_metric_is_titled_as_accuracy():
    values = xr.DataArray(
        np.array([[0.1, 0.2], [0.3, 0.1], [0.0, 0.2], [0.1, 0.1]]),
        dims=("channel", "time"),
        coords={"channel": ["Oz", "Cz", "T7", "T8"], "time": [0.1, 0.2]},
    )
    shown = texts(plot_topographies(values, times=[0.2], metric="correlation"))
    assert "Accuracy over the scalp" in shown
    assert "Responses over the scalp" not in shown
    assert "Responses over the scalp" in texts(plot_topographies(values, times=[0.2]))
