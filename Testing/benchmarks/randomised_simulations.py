"""How far a network comes that has seen nothing but simulated anatomies in random contrasts (the idea of SynthMorph).

    python Testing/benchmarks/randomised_simulations.py train CHECKPOINT [--steps 1100]
    python Testing/benchmarks/randomised_simulations.py test CHECKPOINT COHORT.csv --out RESULTS [--every 1] [--follow]

`train` learns from the pairs of `randomised_pairs.py`, whose truth is known. It keeps the network every fifty steps and
goes on from there if it is called again. `test` compares, from the start of `evaluate` and on the grid of `fast`: that
start, the network, and with `--follow` self-similarity, and self-similarity begun where the network ends. The folder
gets `cases.csv` and `table.md`; what is in it already is not done again.

The network describes both pictures by the same convolutions, compares each place's description with those around it,
and reads a stationary velocity on knots some 8 mm apart from what it finds; it looks twice, the second time at the
pair as the first left it. 0.5 million weights.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from randomised_pairs import SIDE, Pair, random_pair
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from MR2USProLib.checkpoint import read_checkpoint, write_checkpoint
from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import START
from MR2USProLib.cohorts.scoring import figures
from MR2USProLib.cohorts.start import Started, started
from MR2USProLib.cohorts.study_files import StudyFiles
from MR2USProLib.commands.cohort_tables import table_two, write_rows
from MR2USProLib.evaluation.comparison import Row
from MR2USProLib.pipeline import Pair as PairAtStart
from MR2USProLib.pipeline import pair_up, pictures
from MR2USProLib.registration.blocks import Pointwise
from MR2USProLib.registration.deformation import integrate, resize, warp
from MR2USProLib.registration.losses import squared_gradient
from MR2USProLib.registration.pair import Images
from MR2USProLib.registration.self_similarity import register_by_self_similarity
from MR2USProLib.registration.transforms import composite
from MR2USProLib.report.tables import markdown
from MR2USProLib.volume import Volume

SEED, BATCH, KEEP = 1, 2, 50
LEARNING_RATE, WARMING, SMOOTHNESS = 7e-4, 30, 0.3
GAIN = 0.1
"""Of what is read beyond the shifts that match best: so small that a step of Adam moves nothing far."""
PASSES, FEATURES, CHANNELS = 2, 16, 48
SHIFTS = [s for s in product((-2, -1, 0, 1, 2), repeat=3) if sum(x * x for x in s) <= 4]
"""Where a place is looked for, in voxels of a half (about 4 mm) and of a quarter of the grid (about 8 mm)."""
HALF, QUARTER = (SIDE // 2,) * 3, (SIDE // 4,) * 3


def compared(fixed: Tensor, moving: Tensor) -> Tensor:
    """How alike each place's description is to those around it in the other picture: (batch, shift, k, j, i)."""
    around = F.pad(moving, [2] * 6)
    k, j, i = fixed.shape[2:]
    found = [
        (fixed * around[:, :, 2 + c : 2 + c + k, 2 + b : 2 + b + j, 2 + a : 2 + a + i]).sum(1) for c, b, a in SHIFTS
    ]
    return torch.stack(found, dim=1)


class Matcher(nn.Module):
    """A stationary velocity from two pictures of any contrast."""

    def __init__(self) -> None:
        super().__init__()
        self.describe = nn.Sequential(
            nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8), nn.LeakyReLU(0.2),
            nn.Conv3d(8, FEATURES, 3, stride=2, padding=1), nn.InstanceNorm3d(FEATURES), nn.LeakyReLU(0.2),
            nn.Conv3d(FEATURES, FEATURES, 3, padding=1), nn.InstanceNorm3d(FEATURES), nn.LeakyReLU(0.2),
            Pointwise(FEATURES, FEATURES),
        )  # fmt: skip
        self.near = nn.Sequential(Pointwise(len(SHIFTS), FEATURES), nn.LeakyReLU(0.2))
        self.shrink = nn.Conv3d(2 * FEATURES, CHANNELS, 3, stride=2, padding=1)
        self.mix = nn.Conv3d(CHANNELS + len(SHIFTS) + 9, CHANNELS, 3, padding=1)
        self.down = nn.Conv3d(CHANNELS, CHANNELS, 3, stride=2, padding=1)
        self.low = nn.Conv3d(CHANNELS, CHANNELS, 3, padding=1)
        self.up = nn.Conv3d(2 * CHANNELS, CHANNELS, 3, padding=1)
        self.flow = nn.Conv3d(CHANNELS, 3, 3, padding=1)
        self.sharpness, self.trust = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor([0.5, 0.5]))
        nn.init.normal_(self.flow.weight, std=1e-3)
        nn.init.zeros_(self.flow.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, moving: Tensor, fixed: Tensor) -> list[Tensor]:
        """The displacements behind each look, (batch, 3, *HALF) in voxels of that grid."""
        of_moving, of_fixed = F.normalize(self.describe(torch.cat([moving, fixed])), dim=1).chunk(2)
        velocity = moving.new_zeros(len(moving), 3, *QUARTER)
        found = [followed(velocity)]
        for _ in range(PASSES):
            velocity = velocity + self.look(of_fixed, warp(of_moving, found[-1]), velocity)
            found.append(followed(velocity))
        return found[1:]

    def look(self, fixed: Tensor, moving: Tensor, velocity: Tensor) -> Tensor:
        """What is to be added to the velocity."""
        near = self.sharpness * compared(fixed, moving)
        far = self.sharpness * compared(*(F.normalize(F.avg_pool3d(x, 2), dim=1) for x in (fixed, moving)))
        best = F.avg_pool3d(best_shift(near), 2) / 2, best_shift(far)
        x = F.leaky_relu(self.shrink(torch.cat([self.near(near), fixed], dim=1)), 0.2)
        x = F.leaky_relu(self.mix(torch.cat([x, far, velocity, *best], dim=1)), 0.2)
        below = F.leaky_relu(self.low(F.leaky_relu(self.down(x), 0.2)), 0.2)
        below = F.interpolate(below, size=QUARTER, mode="trilinear")
        read = self.flow(F.leaky_relu(self.up(torch.cat([x, below], dim=1)), 0.2))
        agreed = sum(
            weight * F.avg_pool3d(shift, 3, 1, 1, count_include_pad=False)
            for weight, shift in zip(self.trust, best, strict=True)
        )
        return agreed + GAIN * read


def best_shift(likeness: Tensor) -> Tensor:
    """The mean of the shifts, each as likely as it is alike: (batch, 3, k, j, i), components along (i, j, k)."""
    shifts = torch.tensor(SHIFTS, dtype=likeness.dtype).flip(1)
    return torch.einsum("bskji,sc->bckji", likeness.softmax(dim=1), shifts)


def followed(velocity: Tensor) -> Tensor:
    """The displacement on HALF of a velocity on QUARTER, rounded off between its knots."""
    finer = F.pad(resize(velocity, HALF), [1] * 6, mode="replicate")
    return integrate(F.avg_pool3d(finer, 3, stride=1), 5)


def loss_of(network: Matcher, pairs: list[Pair]) -> tuple[Tensor, Tensor]:
    """What is minimised, and the mean distance from the truth in the glands, mm."""
    moving, fixed, truth, weight, spacing = (torch.stack(x) for x in zip(*pairs, strict=True))
    truth, weight = resize(truth, HALF), F.interpolate(weight, size=HALF, mode="trilinear", align_corners=True)[:, 0]
    steps = (spacing * (SIDE - 1) / (SIDE // 2 - 1)).view(-1, 3, 1, 1, 1)
    total = torch.zeros(())
    for found in network(moving, fixed):
        off_mm = (((found - truth) * steps).square().sum(1) + 1e-3).sqrt()
        total = total + (off_mm * weight).sum() / weight.sum() + SMOOTHNESS * squared_gradient(found)
    gland = weight > 0.99
    return total / PASSES, off_mm.detach()[gland].mean()


def train(path: Path, steps: int) -> None:
    torch.manual_seed(SEED)
    network = Matcher()
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda n: min((n + 1) / WARMING, 0.02 + 0.98 * (0.5 + 0.5 * float(np.cos(np.pi * min(n / steps, 1))))),
    )
    history: dict[str, list[float]] = {}
    state, training = {"network": network, "optimiser": optimiser, "rate": rate}, {"steps": steps}
    done = read_checkpoint(path, state, history, training)
    for step in range(done, steps):
        loss, error = loss_of(network, [random_pair(BATCH * step + n) for n in range(BATCH)])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
        history.setdefault("loss", []).append(float(loss.detach()))
        history.setdefault("error_mm", []).append(float(error))
        if (step + 1) % KEEP == 0:
            write_checkpoint(path, step + 1, state, history, training)
            means = (float(np.mean(history[name][-KEEP:])) for name in history)
            print(step + 1, *(f"{mean:.3f}" for mean in means), f"{time.process_time():.0f} CPU s", flush=True)


def registered(network: Matcher, images: Images) -> np.ndarray:
    """The displacement (k, j, i, 3) in voxels (i, j, k) that a network gives."""
    shape = images.fixed.shape
    sigmas = [0.4 * max(n / SIDE - 1, 0) for n in shape]
    seen = [torch.from_numpy(gaussian_filter(x, sigmas).astype(np.float32))[None, None] for x in images.filled()]
    seen = [F.interpolate(x, size=(SIDE,) * 3, mode="trilinear", align_corners=True) for x in seen]
    with torch.no_grad():
        found = network(*seen)[-1]
    return resize(found, shape)[0].permute(1, 2, 3, 0).numpy()


def measured(case: Started, network: Matcher, method: str) -> dict[str, float | None]:
    """The figures of a method on a case, with its seconds, and whether self-similarity found anything to follow."""
    if method == START:
        return {**figures(case, case.pair.initial), "seconds": 0.0}
    pair, began, seen = case.pair, time.process_time(), None
    if "network" in method:
        pair = pair_moved(case, pair, registered(network, pictures(pair)))
    if "self-similarity" in method:
        found = register_by_self_similarity(pictures(pair))
        pair, seen = pair_moved(case, pair, found.displacement), found.structure
    seconds = time.process_time() - began
    told = {} if seen is None else {"followed": float(seen.followed), "apart_mm": seen.disagreement_mm}
    return {**figures(case, pair.initial), **told, "seconds": seconds}


def pair_moved(case: Started, pair: PairAtStart, displacement: np.ndarray) -> PairAtStart:
    """The case's pair from a start behind which a displacement, in voxels of the pair's grid, is done already."""
    moved = Volume(pair.us.grid.voxels_to_mm(displacement), pair.us.grid)
    region = None if case.boxes is None else case.boxes[1].region_mm
    return pair_up(
        case.mr, case.us, initial=composite(pair.initial, moved, case.us.grid), region_mm=region, preset="fast"
    )


def test(path: Path, cohort: Path, out: Path, every: int, follow: bool) -> None:
    network = Matcher().eval()
    network.load_state_dict(torch.load(path, weights_only=True)["state"]["network"])
    methods = [START, "network", *(["self-similarity", "network, self-similarity"] if follow else [])]
    files, cases = StudyFiles(out), read_cohort(cohort)[::every]
    for case in cases:
        if not all(files.figures(case, method).is_file() for method in methods):
            at_start = started(case, preset="fast")
            for method in methods:
                if not files.figures(case, method).is_file():
                    files.keep_figures(case, method, measured(at_start, network, method))
                print(case.name, method, files.measured(case, method), flush=True)
    rows = {
        method: [Row(case.name, case.patient, None, method, files.measured(case, method)) for case in cases]
        for method in methods
    }
    (out / "table.md").write_text(markdown(table_two(rows)), "utf-8")
    write_rows(out / "cases.csv", [row for of in rows.values() for row in of])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    learning, testing = what.add_parser("train"), what.add_parser("test")
    learning.add_argument("checkpoint", type=Path)
    learning.add_argument("--steps", type=int, default=1100)
    testing.add_argument("checkpoint", type=Path)
    testing.add_argument("cohort", type=Path)
    testing.add_argument("--out", type=Path, required=True)
    testing.add_argument("--every", type=int, default=1, help="take every so-many-th case")
    testing.add_argument("--follow", action="store_true", help="self-similarity too, alone and behind the network")
    options = parser.parse_args()
    if options.what == "train":
        train(options.checkpoint, options.steps)
    else:
        test(options.checkpoint, options.cohort, options.out, options.every, options.follow)


if __name__ == "__main__":
    main()
