"""NED's and BERG's metadata keys beside the names of our unit scores."""

HEMISPHERES = {"lh": "left", "rh": "right"}
VOLUME_SCORES = {
    "r2": "accuracy_r2",
    "noise_ceiling": "noise_ceiling",
    "noise_normalized_encoding": "accuracy_noise_normalised",
}
SURFACE_SCORES = {
    "correlation": "accuracy_correlation",
    "r2": "accuracy_r2",
    "noise_ceiling": "noise_ceiling",
    "explained_variance": "accuracy_noise_normalised",
}
SENSOR_SCORES = {
    "correlation_all_repetitions": "accuracy_correlation",
    "correlation_single_repetitions": "accuracy_correlation_single_repetition",
    "noise_ceiling_upper": "noise_ceiling_upper",
    "noise_ceiling_lower": "noise_ceiling_lower",
}
