"""A script for SLURM that builds a dataset on many machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labelkit.errors import SettingsError
from labelkit.settings import BuildSettings, load_settings
from labelkit.wording import shell_command
from labelkit.workflows.build_dataset import plan_dataset

MAX_ARRAY_SIZE = 1001  # SLURM's own default

# A worker holds about 0.3 GB (docs/scale.md), and the process that plans 0.1 GB for 100,000 frames.
_MEMORY = "1G"


@dataclass(frozen=True)
class ArrayScript:
    """A script for `sbatch`, and how many tasks it starts."""

    parts: int
    script: str


def array_script(
    raw: Path | str,
    out: Path | str = "dataset",
    *,
    parts: int | None = None,
    max_array_size: int = MAX_ARRAY_SIZE,
    config: Path | str | None = None,
) -> ArrayScript:
    """Write a script of which each task builds a part of the dataset `out`, as `build_dataset_part` does.

    Args:
        parts: how many; one for each shard if None, up to what an array may hold.
        max_array_size: MaxArraySize of the cluster, as `scontrol show config` says.
        config: settings of `build_dataset`, a TOML file.
    Raises:
        SettingsError: more parts than an array may hold, or a wrong setting.
        RecordingError: `raw` is missing, empty, or holds what no reader recognises.
    """
    settings = load_settings(BuildSettings, config=None if config is None else Path(config))
    most = max_array_size - 1  # the largest index of an array
    if parts is not None and parts > most:
        raise SettingsError(f"--parts {parts}: an array of this cluster holds {most:,} tasks at most; give fewer parts")
    if parts is None:
        parts = max(1, min(most, plan_dataset(raw, out, settings).shards))
    words = [raw, "--out", out, *(("--config", config) if config else ())]
    build, commit = (
        shell_command("build-dataset", *words, *more) for more in (("--workers", 1, "--quiet"), ("--commit",))
    )
    lines = (
        "#!/bin/sh",
        "#SBATCH --job-name=labelkit",
        f"#SBATCH --array=1-{parts}",
        "#SBATCH --cpus-per-task=1",
        f"#SBATCH --mem={_MEMORY}",
        "#SBATCH --output=labelkit-%A-%a.log",
        "# Start it, and after it the job that makes the dataset of all parts:",
        "#   job=$(sbatch --parsable THIS_FILE)",
        "#   sbatch --dependency=afterok:$job COMMIT_FILE",
        "# COMMIT_FILE holds #!/bin/sh and this line:",
        f"#   {commit}",
        f'exec {build} --part "$SLURM_ARRAY_TASK_ID/{parts}"',
    )
    return ArrayScript(parts, "\n".join(lines))
