#!/usr/bin/env bash
# Lightning 2.6.6: a trial run with fast_dev_run leaves a checkpoint behind.
#
# Guess before running: Trainer(fast_dev_run=True) writes nothing; ModelCheckpoint looks at
# trainer.fast_dev_run before each of its saves and returns.
# Seen: it does so at steps, at epochs and after validations, but not at the end of training. There
# ModelCheckpoint(save_last=True) writes last.ckpt, so a trial of one batch occupies the folder of
# the real run, and a script that resumes from last.ckpt resumes from the trial.
#
# Exits 0 if this behaviour is seen, 1 if it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 lightning==2.6.6 numpy==2.3.5
cd "$work"
cat > trial.py <<'PY'
import sys
from pathlib import Path

import lightning
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, index):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


left = {}
for name, options in {"save_last": {"save_last": True}, "save_top_k": {"save_top_k": 1}}.items():
    folder = Path(name)
    trainer = Trainer(
        fast_dev_run=True,
        accelerator="cpu",
        enable_progress_bar=False,
        default_root_dir=folder,
        callbacks=[ModelCheckpoint(dirpath=folder, **options)],
    )
    trainer.fit(Line(), torch.utils.data.DataLoader(torch.ones(8, 2), batch_size=2))
    left[name] = sorted(str(path) for path in folder.rglob("*.ckpt"))
print("lightning", lightning.__version__, left)
sys.exit(0 if left == {"save_last": ["save_last/last.ckpt"], "save_top_k": []} else 1)
PY
"$work/venv/bin/python" trial.py 2> /dev/null
