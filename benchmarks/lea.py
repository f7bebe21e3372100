"""Speed and memory of LEA: ours beside the plain published form, in one run, with the machine's own limit.

python benchmarks/lea.py               all tables (about half an hour on two cores)
python benchmarks/lea.py --quick       small networks, for a look; the targets are those of the full sizes
python benchmarks/lea.py --only training --device cuda    steps of training on a GPU
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import lea_memory
import lea_training
import reference_lea as reference
from braincodec.device import fast_matmul, keep_freed_memory, resolve_device
from braincodec.image_generators.maskgit import MaskGIT
from braincodec.image_generators.sampling import placed
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.fmri_latent import encode_patterns
from braincodec.models.lea.token_generator import TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.token_generator.sampling import _noise
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig
from printing import print_rows

THREADS = 2
CPU = torch.device("cpu")
VOXELS = (1004, 801, 476, 588, 431, 249, 157, 760)  # of subject 1 of GOD
# seconds, and share of what the machine's matrix products would take: an image, and 50 patterns
TARGETS = {
    "decoding fp32": (4.5, 0.64), "decoding bf16": (2.2, 0.64),
    "fMRI encoding fp32": (15, 0.67), "fMRI encoding bf16": (8, 0.67),
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """How large networks and jobs are; those that are not given are the published ones."""

    images: int = 4
    patterns: int = 50
    runs: int = 5
    product: int = 4096
    token_generator: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    autoencoder: dict[str, Any] = field(default_factory=lambda: {"voxels": VOXELS})

    def networks(self) -> tuple[TokenGenerator, Tokenizer, FMRIAutoencoder]:
        """Seeded random weights; codebook entries of unit variance, because maps that hardly vary amplify errors."""
        torch.manual_seed(0)
        token_generator = TokenGenerator(TokenGeneratorConfig.parse(self.token_generator))
        tokenizer = Tokenizer(TokenizerConfig.parse(self.tokenizer))
        torch.nn.init.normal_(tokenizer.codebook)
        autoencoder = FMRIAutoencoder(FMRIAutoencoderConfig.parse(self.autoencoder))
        return token_generator.eval(), tokenizer.eval(), autoencoder.eval()


QUICK = Sizes(
    images=2, patterns=3, runs=1, product=256,
    token_generator={"width": 32, "depth": 2, "heads": 4, "tokens": 16, "codebook_size": 32},
    tokenizer={"base_width": 32, "multipliers": (1, 2), "blocks": 1, "codebook_size": 32},
    autoencoder={
        "voxels": (30, 20), "width": 32, "depth": 2, "heads": 4, "latent": 16, "tokens_per_region": 4,
        "decoder_width": 16, "decoder_depth": 1,
    },
)  # fmt: skip


def matrix_rates(size: int) -> dict[str, float]:
    """GFLOP/s of matrix products: the quickest fp32-grade one, and bf16."""
    a, b = torch.randn(2, size, size)
    half = (a.bfloat16(), b.bfloat16())
    with fast_matmul():
        single = seconds(lambda: a @ b)
    return {
        "fp32": 2 * size**3 / single / 1e9,
        "bf16": 2 * size**3 / seconds(lambda: half[0] @ half[1]) / 1e9,
    }


def seconds(run: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def speed(sizes: Sizes) -> list[dict[str, object]]:
    """Both directions, reference and ours interleaved."""
    token_generator, tokenizer, autoencoder = sizes.networks()
    rows = decoding(sizes, token_generator, tokenizer)
    print_rows(rows)
    more = fmri_encoding(sizes, autoencoder)
    print_rows(more, header=False)
    print(
        "\nreference: a batch of several images, or all patterns, in fp32; the floor is its arithmetic at the rate of"
    )
    print(f"{sizes.product} x {sizes.product} matrix products that was measured between the runs\n")
    return rows + more


@torch.inference_mode()
def decoding(sizes: Sizes, token_generator: TokenGenerator, tokenizer: Tokenizer) -> list[dict[str, object]]:
    """Image embeddings to images."""
    config, count = token_generator.config, sizes.images
    embeddings = torch.randn(count, config.embedding, generator=torch.Generator().manual_seed(1))
    noise = torch.stack([_noise(0, number, 0, reference.STEPS, config.tokens) for number in range(count)])
    generator = MaskGIT.over(tokenizer, token_generator)
    side = generator.config.rows or 1
    weights, decoder = plain(token_generator), plain(tokenizer)
    held: dict[str, torch.Tensor] = {}

    def plainly() -> None:
        ids = reference.draw_tokens(weights, embeddings, noise, config.heads)
        held["ids"] = ids.unflatten(1, (side, -1))
        held["images"] = reference.images_of_tokens(decoder, held["ids"])

    def ours(dtype: str) -> Callable[[], None]:
        def run() -> None:
            held[dtype] = torch.from_numpy(generator.generate(embeddings, dtype=dtype, device="cpu", progress=False))

        return run

    cases = {"reference": plainly, "fp32": ours("float32"), "bf16": ours("bfloat16")}
    times = interleaved(cases, sizes)
    with FlopCounterMode(display=False) as counter:
        reference.token_logits(weights, held["ids"][:1].flatten(1), embeddings[:1], config.heads)
        step = counter.get_total_flops()
        reference.images_of_tokens(decoder, held["ids"][:1])
        whole = counter.get_total_flops()
    gigaflop = (reference.STEPS * step + whole - step) / 1e9
    with fast_matmul():
        logits = token_generator(held["ids"].flatten(1), embeddings)
        images = tokenizer.decode_ids(held["ids"])
    expected = reference.token_logits(weights, held["ids"].flatten(1), embeddings, config.heads)
    difference = max(largest_difference(logits, expected), largest_difference(images, held["images"]))
    pixels = (held["images"] * 255).round().clamp(0, 255).movedim(1, -1)
    same = float(((held["float32"][:, 0] - pixels).abs().flatten(1).amax(1) <= 1).float().mean())
    title = f"{count} images, each"
    rows = [row(f"decoding {kind}", title, times, kind, gigaflop, count) for kind in ("fp32", "bf16")]
    rows[0] |= {"largest difference / std": difference, "same images": f"{same:.0%}"}
    rows[1] |= {"largest difference / std": "", "same images": ""}
    return rows


@torch.inference_mode()
def fmri_encoding(sizes: Sizes, autoencoder: FMRIAutoencoder) -> list[dict[str, object]]:
    """FMRI patterns to latents."""
    config = autoencoder.config
    patterns = torch.randn(sizes.patterns, sum(config.voxels), generator=torch.Generator().manual_seed(1))
    weights = plain(autoencoder)
    halves = placed(autoencoder, CPU, torch.bfloat16)
    held: dict[str, torch.Tensor] = {}

    def plainly() -> None:
        held["reference"] = reference.fmri_latents(weights, patterns, config.voxels, config.heads)

    def ours(network: FMRIAutoencoder, dtype: torch.dtype) -> Callable[[], None]:
        def run() -> None:
            found = encode_patterns(network, patterns.numpy(), CPU, dtype, progress=False)
            held[str(dtype)] = torch.from_numpy(found)

        return run

    cases = {
        "reference": plainly,
        "fp32": ours(autoencoder, torch.float32),
        "bf16": ours(halves, torch.bfloat16),
    }
    times = interleaved(cases, sizes)
    with FlopCounterMode(display=False) as counter:
        reference.fmri_latents(weights, patterns[:1], config.voxels, config.heads)
    gigaflop = counter.get_total_flops() * sizes.patterns / 1e9
    title = f"{sizes.patterns} patterns"
    rows = [row(f"fMRI encoding {kind}", title, times, kind, gigaflop, 1) for kind in ("fp32", "bf16")]
    difference = largest_difference(held["torch.float32"], held["reference"])
    rows[0] |= {"largest difference / std": difference, "same images": ""}
    rows[1] |= {"largest difference / std": "", "same images": ""}
    return rows


def plain(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights as published files have them: convolutions in the usual order."""
    return {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}


def largest_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative to the standard deviation of what is expected."""
    return float((found - expected).abs().max() / expected.std())


def interleaved(cases: dict[str, Callable[[], object]], sizes: Sizes) -> dict[str, float]:
    """Median seconds of each case, and the median rates of matrix products between the runs."""
    for case in cases.values():
        case()  # warm-up
    times: dict[str, list[float]] = {name: [] for name in (*cases, "rate fp32", "rate bf16")}
    for _ in range(sizes.runs):
        for name, rate in matrix_rates(sizes.product).items():
            times[f"rate {name}"].append(rate)
        for name, case in cases.items():
            times[name].append(seconds(case))
    return {name: statistics.median(values) for name, values in times.items()}


def row(case: str, job: str, times: dict[str, float], kind: str, gigaflop: float, parts: int) -> dict[str, object]:
    """A line of the table; times are of one part of the job."""
    took, floor = times[kind] / parts, gigaflop / times[f"rate {kind}"]
    most, share = TARGETS[case]
    return {
        "case": case,
        "job": job,
        "reference s": times["reference"] / parts,
        "ours s": took,
        "target s": most,
        "GFLOP": gigaflop,
        "matrix GFLOP/s": times[f"rate {kind}"],
        "floor s": floor,
        "share of floor": floor / took,
        "target share": share,
        "met": "yes" if took <= most or floor / took >= share else "NO",
    }


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small networks and one run")
    parser.add_argument("--only", choices=["speed", "memory", "training"], help="one table")
    parser.add_argument("--device", default="cpu", help="where steps of training are timed")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    sizes = QUICK if options.quick else Sizes()
    if options.only in (None, "speed"):
        speed(sizes)
    if options.only in (None, "memory"):
        token_generator, tokenizer, _ = sizes.networks()
        print_rows(lea_memory.memory(MaskGIT.over(tokenizer, token_generator)))
        print("\nprivate: what cannot be read again from the stored file, which is mapped into memory\n")
    if options.only in (None, "training"):
        print_rows(lea_training.steps(resolve_device(options.device), quick=options.quick))


if __name__ == "__main__":
    main()
