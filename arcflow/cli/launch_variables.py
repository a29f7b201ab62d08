"""Variables that say which process of a run this is, checked before Lightning reads them."""

from collections.abc import Mapping, Sequence

from arcflow.core.errors import ConfigError

_SLURM = ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
_SLURM_TOO = ("SLURM_NTASKS_PER_NODE", "SLURM_NNODES")
_ELASTIC = ("WORLD_SIZE", "RANK", "LOCAL_RANK")
_ELASTIC_TOO = ("GROUP_RANK", "MASTER_PORT")
_OWN = ("LOCAL_RANK", "NODE_RANK", "MASTER_PORT")
_SLURM_STEP = "Start it with srun, or set SLURM_JOB_NAME=interactive for a single process."


def check_launch(environ: Mapping[str, str]) -> None:
    """Check the variables of torchrun, Slurm or Lightning's own launcher, in Lightning's order.

    Args:
        environ: The environment of this process.

    Raises:
        ConfigError: If a variable is missing or is no number, or if they contradict each other.
    """
    if "TORCHELASTIC_RUN_ID" in environ:
        _numbers(environ, "torchrun", _ELASTIC, _ELASTIC_TOO, "Start it with torchrun.")
        _inside(environ, "torchrun", "RANK", "WORLD_SIZE", "Start it with torchrun.")
    elif _started_by_srun(environ):
        _numbers(environ, "Slurm", _SLURM, _SLURM_TOO, _SLURM_STEP)
        _inside(environ, "Slurm", "SLURM_PROCID", "SLURM_NTASKS", _SLURM_STEP)
        tasks = int(environ["SLURM_NTASKS"])
        if tasks > 1 and "SLURM_NTASKS_PER_NODE" not in environ:
            raise ConfigError(
                "Slurm's variables do not fit: SLURM_NTASKS_PER_NODE is missing",
                value=f"SLURM_NTASKS={tasks}",
                expected="as many tasks a node as devices",
                next_step=f"Use --ntasks-per-node={tasks} in the place of --ntasks={tasks}.",
            )
    else:
        _numbers(environ, "the launcher", (), _OWN, "Unset them, or start it with torchrun.")


def _started_by_srun(environ: Mapping[str, str]) -> bool:
    return "SLURM_NTASKS" in environ and environ.get("SLURM_JOB_NAME") not in (
        "bash",
        "interactive",
    )


def _numbers(
    environ: Mapping[str, str],
    whose: str,
    needed: Sequence[str],
    optional: Sequence[str],
    next_step: str,
) -> None:
    for name in (*needed, *optional):
        if name not in environ and name in optional:
            continue
        value = environ.get(name)
        if value is None or not value.strip().isdecimal():
            raise ConfigError(
                f"{whose}'s variables do not fit: {name}",
                value=value,
                expected="a whole number",
                next_step=next_step,
            )


def _inside(environ: Mapping[str, str], whose: str, rank: str, count: str, next_step: str) -> None:
    if int(environ[rank]) >= int(environ[count]):
        raise ConfigError(
            f"{whose}'s variables do not fit: {rank} is not below {count}",
            value=int(environ[rank]),
            expected=f"0 to {int(environ[count]) - 1}",
            next_step=next_step,
        )
