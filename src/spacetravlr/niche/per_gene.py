"""One network of the README for one target in one cluster."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spacetravlr.niche.device import BatchSize, in_batches, reproducible, resolve_device
from spacetravlr.niche.network import NicheNetwork, predict
from spacetravlr.niche.record import NicheRecord, r2_score
from spacetravlr.niche.schedule import EarlyStop, Split, learning_rate_factor
from spacetravlr.niche.seeds import seed_sequence, torch_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.niche.device import DeviceName
    from spacetravlr.niche.features import NicheInputs
    from spacetravlr.niche.options import NicheOptions


@dataclass(frozen=True)
class ClusterTask:
    """One target in one cluster.

    Attributes
    ----------
    gene, cluster
        Names, from which the random numbers are made.
    cells
        (n_c,) indices of the cells of the cluster.
    X
        (n_c, p) columns of the design, in the units of the coefficients.
    y
        (n_c,) the target, expression units.
    anchors
        (p,) coefficients of the cluster.
    intercept
        Of the cluster.
    folds
        (n_c,) fold of every cell, from spatial blocks.
    """

    gene: str
    cluster: int
    cells: NDArray[np.int64]
    X: NDArray[np.floating]
    y: NDArray[np.floating]
    anchors: NDArray[np.floating]
    intercept: float
    folds: NDArray[np.integer]

    @property
    def constants(self) -> NDArray[np.float64]:
        """(p + 1,) intercept and coefficients."""
        return np.concatenate([[self.intercept], np.asarray(self.anchors, dtype=np.float64)])


@dataclass(frozen=True)
class NetworkFit:
    """What a network gave.

    Attributes
    ----------
    betas
        (n_c, p + 1) float32, intercept first; those of the cluster in every cell where the network was not kept.
    record
        How it went.
    network
        The network, on the CPU and in evaluation mode; None where it was not kept.
    """

    betas: NDArray[np.float32]
    record: NicheRecord
    network: NicheNetwork | None


def fit_network(
    inputs: NicheInputs, task: ClusterTask, *, options: NicheOptions, seed: int, device: DeviceName = "auto"
) -> NetworkFit:
    """Train a network and keep it if it predicts held-out regions better than the coefficients it starts from.

    The two smallest folds are held out: on one the best epoch is chosen, on the other the network is compared with the
    regression. Coefficients are those of evaluation mode (running statistics), so a saved network gives the same.

    Parameters
    ----------
    inputs
        Maps and counts of the tissue.
    task
        The target in its cluster.
    options
        How to train.
    seed
        Random numbers come from seed, gene and cluster.
    device
        Where to train.

    Returns
    -------
    Per-cell coefficients, the record, and the network.

    Raises
    ------
    ConfigError
        If the device is not there.
    InputError
        If its memory does not hold a single cell.

    Notes
    -----
    Cost per epoch: cells times 10 million multiplications for maps of 64 x 64. Maps are made batch by batch.
    """
    split = Split.of_folds(task.folds)
    reason = _why_not(task, split, options)
    if reason is not None or split is None:
        return _without_network(task, reason or "")
    with reproducible():
        return _Training(inputs, task, split, options, seed=seed, device=resolve_device(device)).run()


def _why_not(task: ClusterTask, split: Split | None, options: NicheOptions) -> str | None:
    if options.epochs == 0:
        return "no epochs"
    if not np.any(task.anchors):
        return "all coefficients are zero"
    if len(task.y) < options.min_cells:
        return f"{len(task.y)} cells, fewer than {options.min_cells}"
    if split is None:
        return "fewer than 3 folds of held-out regions"
    return None


def _without_network(task: ClusterTask, reason: str, **facts: Any) -> NetworkFit:
    record = NicheRecord(
        gene=task.gene, cluster=task.cluster, n_cells=len(task.y), kept=False, reason=reason, modulated=False, **facts
    )
    betas = np.broadcast_to(task.constants.astype(np.float32), (len(task.y), len(task.anchors) + 1)).copy()
    return NetworkFit(betas, record, None)


class _Training:
    def __init__(
        self,
        inputs: NicheInputs,
        task: ClusterTask,
        split: Split,
        options: NicheOptions,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.inputs, self.task, self.split, self.options, self.device = inputs, task, split, options, device
        weights, order = seed_sequence(seed, task.gene, task.cluster).spawn(2)
        self.rng = np.random.Generator(np.random.PCG64(order))
        self.network = NicheNetwork(
            task.constants,
            inputs.counts.shape[1],
            activation=options.output_activation,
            generator=torch_generator(weights),
            low=inputs.scaling.low,
            span=inputs.scaling.span,
        )
        self.network.start_at_anchors()
        # half the time per step, on the CPU too
        self.network.to(device, memory_format=torch.channels_last)
        self.X, self.y, self.counts = (
            torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32), device=device)
            for values in (np.nan_to_num(task.X), np.nan_to_num(task.y), inputs.counts[task.cells])
        )
        # the loss in variances of the target, so that clipping and decay mean the same for every gene
        self.unit = float(np.var(np.nan_to_num(task.y[split.train]))) or 1.0
        self.size = BatchSize(options.minibatch_size or len(split.train))
        self.inference = BatchSize(options.inference_batch_size or len(task.y))
        self.optimizer = torch.optim.Adam(
            self.network.parameters(),
            lr=options.learning_rate,
            betas=(options.adam_beta_1, options.adam_beta_2),
            eps=options.adam_epsilon,
            weight_decay=options.weight_decay or 0.0,
        )

    def run(self) -> NetworkFit:
        options, task, split = self.options, self.task, self.split
        stop = EarlyStop(options.patience, options.min_epochs)
        best: dict[str, Any] = {}
        mse: list[float] = []
        for epoch in range(options.epochs):
            factor = learning_rate_factor(
                epoch,
                options.epochs,
                warmup=options.lr_warmup_epochs,
                schedule=options.lr_schedule,
                floor=options.cosine_lr_min_ratio,
            )
            for group in self.optimizer.param_groups:
                group["lr"] = options.learning_rate * factor
            mse.append(self._epoch())
            if stop.is_best(epoch, self._error(split.stop)):
                best = copy.deepcopy(self.network.state_dict())
            if not math.isfinite(mse[-1]) or stop.is_over(epoch):
                break
        facts: dict[str, Any] = {"epochs": len(mse), "best_epoch": stop.best_epoch, "mse": tuple(mse)}
        if not best:
            return _without_network(task, "training diverged", **facts)
        self.network.load_state_dict(best)
        return self._arbitrate(facts)

    def _arbitrate(self, facts: dict[str, Any]) -> NetworkFit:
        task, test = self.task, self.split.test
        betas = self._betas(np.arange(len(task.y)))
        X, y = np.nan_to_num(np.asarray(task.X, dtype=np.float64)), np.nan_to_num(np.asarray(task.y, dtype=np.float64))
        lasso = r2_score(y[test], X[test] @ task.anchors + task.intercept)
        ours = r2_score(y[test], betas[test, 0] + (betas[test, 1:] * X[test]).sum(axis=1))
        facts |= {"r2_lasso_out": lasso, "r2_cnn_out": ours}
        if not np.isfinite(betas).all():
            return _without_network(task, "a coefficient is not finite", **facts)
        if not ours > lasso + self.options.margin:
            return _without_network(task, f"R2 on held-out regions {ours:.4f}, regression {lasso:.4f}", **facts)
        record = NicheRecord(
            gene=task.gene,
            cluster=task.cluster,
            n_cells=len(y),
            kept=True,
            reason=f"R2 on held-out regions {ours:.4f}, regression {lasso:.4f}",
            **facts,
        )
        return NetworkFit(betas, record, self.network.to("cpu", memory_format=torch.contiguous_format).eval())

    def _maps(self, cells: NDArray[np.int64]) -> torch.Tensor:
        maps = torch.as_tensor(self.inputs.maps(self.task.cells[cells]), device=self.device)
        return maps.contiguous(memory_format=torch.channels_last)

    def _epoch(self) -> float:
        """Go once through the training cells; return the mean squared error met on the way."""
        self.network.train()
        errors = {"sum": 0.0}
        order = self.rng.permutation(self.split.train)
        # a rest of a few cells has no batch statistics worth the name: all batches get the same size
        n_batches = math.ceil(len(order) / self.size.value)
        balanced = math.ceil(len(order) / n_batches)
        size = BatchSize(balanced)

        def step(cells: NDArray[np.int64]) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            at = torch.as_tensor(cells, device=self.device)
            betas = self.network(self._maps(cells), self.counts[at])
            error = ((predict(betas, self.X[at]) - self.y[at]) ** 2).mean()
            (error / self.unit).backward()
            if self.options.grad_clip_norm is not None:
                for parameter in self.network.parameters():
                    torch.nn.utils.clip_grad_norm_(parameter, self.options.grad_clip_norm)
            self.optimizer.step()
            errors["sum"] += float(error.detach()) * len(cells)

        in_batches(order, size, step)
        if size.value < balanced:
            self.size.value = size.value
        return errors["sum"] / len(order)

    def _betas(self, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return coefficients in evaluation mode, (len(cells), p + 1)."""
        self.network.eval()
        parts: list[NDArray[np.float32]] = []

        def work(some: NDArray[np.int64]) -> None:
            with torch.no_grad():
                betas = self.network(self._maps(some), self.counts[torch.as_tensor(some, device=self.device)])
            parts.append(betas.cpu().numpy())

        in_batches(cells, self.inference, work)
        return np.concatenate(parts)

    def _error(self, cells: NDArray[np.int64]) -> float:
        betas = self._betas(cells).astype(np.float64)
        X = np.nan_to_num(np.asarray(self.task.X[cells], dtype=np.float64))
        y = np.nan_to_num(np.asarray(self.task.y[cells], dtype=np.float64))
        return float(((betas[:, 0] + (betas[:, 1:] * X).sum(axis=1) - y) ** 2).mean())
