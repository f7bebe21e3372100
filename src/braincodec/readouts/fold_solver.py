"""What a fold of cross-validated ridge regression needs, whatever the unit: eigenvectors, shrinkage, a square root."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from braincodec.readouts.alphas import TOLERANCE, Doubles, skeleton
from braincodec.readouts.folds import Fold
from braincodec.readouts.principal import eigenvectors, precise_device

COLUMN_BLOCKS = 4


@dataclass(frozen=True, eq=False)
class FoldSolver:
    """One fold, ready for any number of units.

    The loss of a unit at strength a over the validation stimuli is |y - V s_a z|^2, where z are the unit's moments in
    the eigenvectors of the training scatter matrix, s_a = 1 / (eigenvalue + a), and V the validation features there.

    Parameters
    ----------
    train_stimuli, validation_stimuli : int
    train_mean : Tensor, shape (components,)
        Mean coordinates of the training stimuli; zero without an intercept.
    validation_sum : Tensor, shape (components,)
    rotation : Tensor, shape (components, kept)
        Eigenvectors of the training scatter matrix.
    filters : Tensor, shape (chosen, kept)
        1 / (eigenvalue + alpha) of a few strengths.
    all_filters : Tensor, shape (kept, alphas)
    coefficients : array of float64, shape (alphas, chosen)
        What makes all strengths from the few.
    root : Tensor, shape (kept, size)
        ``V.T`` itself where validation stimuli are few, else a factor of ``V.T @ V``.
    direct : bool
        Whether `root` is ``V.T``.
    triangular : bool
        Whether `root` is lower triangular, and skipping its zeros is worth it.
    """

    train_stimuli: int
    validation_stimuli: int
    train_mean: torch.Tensor
    validation_sum: torch.Tensor
    rotation: torch.Tensor
    filters: torch.Tensor
    all_filters: torch.Tensor
    coefficients: Doubles
    root: torch.Tensor
    direct: bool
    triangular: bool

    @property
    def bytes_a_unit(self) -> int:
        """Memory that one unit needs on its way."""
        chosen, kept = self.filters.shape
        return self.root.element_size() * (chosen * (kept + self.root.shape[1] + 1) + 4 * len(self.rotation))

    def losses(
        self,
        moments: torch.Tensor,
        validation_moments: torch.Tensor | None,
        squares: torch.Tensor,
        held_out: torch.Tensor,
    ) -> Doubles:
        """Mean squared error of each strength over the validation stimuli.

        Parameters
        ----------
        moments : Tensor, shape (units, components)
            Of training stimuli: responses times coordinates, both without their training mean.
        validation_moments : Tensor, shape (units, components), or None
            The same of validation stimuli, without the training mean; not needed when `direct`.
        squares : Tensor, shape (units,)
            Of validation responses without their training mean, summed.
        held_out : Tensor, shape (units, validation stimuli), or None
            These responses; only needed when `direct`.

        Returns
        -------
        array of float64, shape (units, alphas)
        """
        units, kept = len(moments), len(self.root)
        # one product for both: (units, kept), or (2 units, kept)
        both = moments if validation_moments is None else torch.cat([moments, validation_moments])
        both = both @ self.rotation
        rotated = both[:units]
        filtered = rotated[:, None] * self.filters  # (units, chosen, kept)
        predicted = self._through_root(filtered.view(-1, kept)).view(units, len(self.filters), -1)
        products = precise(torch.bmm(predicted, predicted.transpose(1, 2))).view(units, -1)
        few = torch.as_tensor(self.coefficients)
        pairs = torch.einsum("ak,al->kla", few, few).reshape(products.shape[1], -1)
        quadratic = products @ pairs  # (units, alphas)
        if self.direct:
            linear = precise(torch.bmm(predicted, held_out[:, :, None])[:, :, 0]) @ few.T
        else:
            linear = precise((rotated * both[units:]) @ self.all_filters)
        return ((precise(squares)[:, None] - 2 * linear + quadratic) / self.validation_stimuli).numpy()

    def _through_root(self, filtered: torch.Tensor) -> torch.Tensor:
        if not self.triangular:
            return filtered @ self.root
        # the zeros above the diagonal are skipped, block by block
        kept = len(self.root)
        found = torch.empty_like(filtered)
        step = -(-kept // COLUMN_BLOCKS)
        for begin in range(0, kept, step):
            cut = slice(begin, min(kept, begin + step))
            torch.mm(filtered[:, begin:], self.root[begin:, cut], out=found[:, cut])
        return found


def precise(values: torch.Tensor) -> torch.Tensor:
    """To the processor's float64; some GPUs have none."""
    return values.cpu().double()


def solve_fold(
    coordinates: torch.Tensor, fold: Fold, alphas: Doubles, *, centre: bool, scatter: torch.Tensor | None = None
) -> FoldSolver:
    """Everything of a fold that does not depend on the unit.

    Parameters
    ----------
    coordinates : Tensor, shape (stimuli, components)
    fold : Fold
    alphas : array, shape (alphas,)
    centre : bool
        Whether the mean of the training stimuli is subtracted from both sides.
    scatter : Tensor of float64, shape (components, components), optional
        ``coordinates.T @ coordinates`` over all stimuli, when there is: spares most of the work.
    """
    place = precise_device(coordinates.device)
    train = torch.as_tensor(fold.train, device=coordinates.device)
    validation = coordinates[torch.as_tensor(fold.validation, device=coordinates.device)].to(place).double()
    validation_sum = validation.sum(0)
    mean = coordinates[train].to(place).double().mean(0) if centre else torch.zeros_like(validation_sum)
    values, rotation = some_direction(*_training_eigenvectors(coordinates, fold, mean, validation, scatter))
    held_out = validation - mean
    if len(validation) < len(values):
        root, triangular = (held_out @ rotation).T, False
    else:
        root, triangular = _square_root(rotation.T @ (held_out.T @ held_out) @ rotation)
    return make_solver(
        fold,
        values,
        rotation,
        root,
        alphas,
        like=coordinates,
        train_mean=mean,
        validation_sum=validation_sum,
        direct=len(validation) < len(values),
        triangular=triangular,
    )


def make_solver(
    fold: Fold,
    values: torch.Tensor,
    rotation: torch.Tensor,
    root: torch.Tensor,
    alphas: Doubles,
    *,
    like: torch.Tensor,
    train_mean: torch.Tensor | None = None,
    validation_sum: torch.Tensor | None = None,
    direct: bool = True,
    triangular: bool = False,
) -> FoldSolver:
    """Choose the few strengths of a fold, and bring all to the device and dtype of units.

    Parameters
    ----------
    fold : Fold
    values : Tensor of float64, shape (kept,)
        Eigenvalues of the training scatter matrix.
    rotation, root, direct, triangular
        As `FoldSolver`; float64.
    alphas : array, shape (alphas,)
    like : Tensor
        Has the device and dtype.
    train_mean, validation_sum : Tensor, shape (components,), optional
        Not needed by those who subtract means themselves.
    """
    train, validation = len(fold.train), len(fold.validation)
    gain = ((root**2).sum(1) / validation / (values / train)).sqrt()
    tolerance = TOLERANCE["float64" if like.dtype == torch.float64 else "float32"]
    few = skeleton(values.cpu().numpy(), alphas, gain.cpu().numpy(), tolerance=tolerance)
    filters = 1 / (values + torch.as_tensor(alphas, device=values.device)[:, None])  # (alphas, kept)
    nothing = torch.zeros(len(rotation), dtype=values.dtype, device=values.device)

    def ready(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(like.dtype).to(like.device).contiguous()

    return FoldSolver(
        train,
        validation,
        ready(nothing if train_mean is None else train_mean),
        ready(nothing if validation_sum is None else validation_sum),
        ready(rotation),
        ready(filters[torch.as_tensor(few.chosen.copy(), device=values.device)]),
        ready(filters.T),
        few.coefficients,
        ready(root),
        direct,
        triangular and like.device.type == "cpu",  # a GPU is quicker at one large product
    )


def _training_eigenvectors(
    coordinates: torch.Tensor,
    fold: Fold,
    mean: torch.Tensor,
    validation: torch.Tensor,
    scatter: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    stimuli, components = coordinates.shape
    count = len(fold.train)
    rest_is_validation = count + len(fold.validation) == stimuli
    if scatter is not None and rest_is_validation and count >= components:
        inside = scatter - validation.T @ validation - count * torch.outer(mean, mean)
        return eigenvectors(inside, stimuli)
    train = coordinates[torch.as_tensor(fold.train, device=coordinates.device)].to(mean.device).double() - mean
    if count >= components:
        return eigenvectors(train.T @ train, stimuli)
    values, vectors = eigenvectors(train @ train.T, max(stimuli, components))
    return values, train.T @ (vectors / values.sqrt())


def some_direction(values: torch.Tensor, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same eigenvectors; where there is none, because features do not vary, one that leads nowhere.

    Examples
    --------
    >>> some_direction(torch.ones(0), torch.ones(2, 0))[1].tolist()
    [[0.0], [0.0]]
    """
    if len(values):
        return values, vectors
    return values.new_ones(1), vectors.new_zeros(len(vectors), 1)


def _square_root(matrix: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """R with ``R @ R.T`` the matrix, and whether it is triangular."""
    root, failed = torch.linalg.cholesky_ex(matrix)
    if not int(failed):
        return root, True
    # singular: some directions do not vary over the validation stimuli
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt(), False
