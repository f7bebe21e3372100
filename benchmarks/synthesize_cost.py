"""What responses to very many stimuli take, on paper: hours, processors, terabytes, money.

python benchmarks/synthesize_cost.py                          a billion image-subject pairs
python benchmarks/synthesize_cost.py --pairs 5.84e5           73,000 images, 8 subjects
python benchmarks/synthesize_cost.py --gpu-price 3 --gpus 64  other prices, other clusters

Operations are counted from the networks, rates of decoding are measured (benchmarks/encode.py --only sharing), those of
a GPU are its data sheet's times the share of it that is assumed to be reached: no GPU was measured.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from printing import print_rows

GIGA, TERA = 1e9, 1e12
# NVIDIA H100 SXM data sheet, dense: float32 without and bfloat16 with tensor cores, floating-point operations a second
PEAK = {"float32": 67e12, "bfloat16": 989e12}


@dataclass(frozen=True)
class Study:
    """One model of all its subjects.

    Parameters
    ----------
    name : str
    subjects : int
    shared_operations : float
        Floating-point operations on one image that all subjects share (a vision transformer).
    own_operations : float
        Those of one image and one subject.
    values : int
        Numbers in one subject's response.
    dtype : str
        That the network runs in.
    readings : int
        Passes that read each image: models that share nothing but images are packed into several.
    """

    name: str
    subjects: int
    shared_operations: float
    own_operations: float
    values: int
    dtype: str
    readings: int = 1


# a network of 1.41 GFLOP and 0.774 MFLOP a voxel, from 2.46 and 7.30 GFLOP at 1,350 and 7,600 voxels; subject 1 has 25
# networks (two each for lateral and ventral) and 41,962 voxels, regions that overlap counted in each
NETWORKS, VOXELS = 25, 41_962
FWRF_NETWORK, FWRF_VOXEL = 1.41e9, 0.774e6
# vit_b_32 with 12 layers' 460,800 features on 250 components; then 4 repetitions x 63 channels x 140 times
VIT, COMPONENTS = 9.05e9, 250
EEG_VALUES = 4 * 63 * 140
VERTICES = 2 * 163_842

STUDIES = (
    Study("fmri-nsd-fwrf, all regions", 8, 0.0, NETWORKS * FWRF_NETWORK + VOXELS * FWRF_VOXEL, VOXELS, "float32", 25),
    Study("fmri-nsd_fsaverage-vit_b_32", 8, VIT, 2.0 * COMPONENTS * VERTICES, VERTICES, "float32"),
    Study("eeg-things_eeg_2-vit_b_32", 10, VIT, 2.0 * COMPONENTS * EEG_VALUES, EEG_VALUES, "float32"),
    Study("eeg-things_eeg_2-vit_b_32 in bfloat16", 10, VIT, 2.0 * COMPONENTS * EEG_VALUES, EEG_VALUES, "bfloat16"),
)


def cost(study: Study, options: argparse.Namespace) -> dict[str, object]:
    """Hours, storage and money of one study.

    With P pairs, S subjects, n = P / S images, G GPUs of c cores each:

    - computing = n (shared + S own operations) / (peak x share reached) / G
    - decoding = n x readings / (decoded images a second and core) / (G c)
    - writing = P x values x bytes a number / compression / (bytes a second that the store takes)

    They overlap, so a run takes the longest of the three.
    """
    images = options.pairs / study.subjects
    operations = images * (study.shared_operations + study.subjects * study.own_operations)
    stored = options.pairs * study.values * options.bytes / options.compression
    hours = {
        "computing": operations / (PEAK[study.dtype] * options.share) / options.gpus / 3600,
        "decoding": images * study.readings / options.decoded / (options.gpus * options.cores) / 3600,
        "writing": stored / (options.disk * GIGA) / 3600,
    }
    longest = max(hours, key=lambda name: hours[name])
    price = options.gpus * hours[longest] * (options.gpu_price + options.cores * options.core_price)
    return {
        "model": study.name,
        "GFLOP a pair": operations / options.pairs / GIGA,
        **{f"{name}, h": value for name, value in hours.items()},
        "bound by": longest,
        "GPU hours": options.gpus * hours[longest],
        "TB": stored / TERA,
        "machines": f"{options.currency}{price:,.0f}",
        "storage a month": f"{options.currency}{stored / GIGA * options.storage_price:,.0f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=float, default=1e9, help="images x subjects")
    parser.add_argument("--gpus", type=int, default=32)
    parser.add_argument("--share", type=float, default=0.4, help="of a GPU's data-sheet rate that is reached")
    parser.add_argument("--decoded", type=float, default=445.0, help="JPEG files of 500 pixels a second and core")
    parser.add_argument("--cores", type=int, default=16, help="of the processor, beside each GPU")
    parser.add_argument(
        "--disk", type=float, default=10.0, help="gigabytes a second that the store takes from all workers"
    )
    parser.add_argument("--bytes", type=int, default=2, help="of a stored number: 4 or 2")
    parser.add_argument("--compression", type=float, default=1.05, help="bytes before over bytes after")
    parser.add_argument("--gpu-price", type=float, default=2.5, help="an hour")
    parser.add_argument("--core-price", type=float, default=0.04, help="an hour")
    parser.add_argument("--storage-price", type=float, default=0.023, help="a gigabyte and month")
    parser.add_argument("--currency", default="$")
    options = parser.parse_args()
    print_rows([cost(study, options) for study in STUDIES])


if __name__ == "__main__":
    main()
