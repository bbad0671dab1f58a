"""The settings of a cluster: which scheduler hands out the work, and what its workers get."""

from __future__ import annotations

from pydantic import Field

from spacetravlr.config._fields import Names, OptionalText, Section


class ClusterSettings(Section):
    """`[cluster]`: worker processes on this machine or on others."""

    scheduler: OptionalText = Field(
        default=None,
        description="Who trains: local (processes here), slurm, or the address of a Dask scheduler; unset is threads.",
        examples=["local"],
    )
    workers: int = Field(
        default=0,
        ge=0,
        description="Worker processes, in all; 0 is one per core with local, and must be set for slurm.",
    )
    threads_per_worker: int = Field(
        default=1, ge=1, description="Blocks a worker process trains at once; they share its copy of the sample."
    )
    queue: OptionalText = Field(default=None, description="Slurm partition.", examples=["short"])
    cores: int = Field(
        default=1, ge=1, description="Cores of each Slurm job; it runs cores / threads_per_worker workers."
    )
    memory: OptionalText = Field(default=None, description="Memory of each Slurm job.", examples=["16GB"])
    walltime: OptionalText = Field(default=None, description="Time limit of each Slurm job.", examples=["04:00:00"])
    account: OptionalText = Field(default=None, description="Slurm account to charge.", examples=["lab"])
    directives: Names = Field(default=(), description="More #SBATCH lines of each Slurm job, such as --gres=gpu:1.")
    prologue: Names = Field(default=(), description="Shell lines that a Slurm job runs before its worker starts.")
    interface: OptionalText = Field(
        default=None, description="Network interface between this host and Slurm jobs.", examples=["ib0"]
    )
    local_directory: OptionalText = Field(
        default=None, description="Scratch directory on the hosts of the workers that we start.", examples=["/scratch"]
    )
