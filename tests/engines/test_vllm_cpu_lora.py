"""Adapters of vLLM's CPU build, row by row."""

import pytest
import torch

from arcflow.engines import vllm_cpu_lora


@pytest.mark.parametrize("rows", [1, 7, 500])
@pytest.mark.parametrize("slots", [[0], [-1], [2, 0, 1], [-1, 1, 2]])
@pytest.mark.parametrize("few", [0, 10**6])
def test_adapters_of_the_cpu_build_row_by_row(
    monkeypatch: pytest.MonkeyPatch, rows: int, slots: list[int], few: int
) -> None:
    monkeypatch.setattr(vllm_cpu_lora, "_FEW", few)
    draw = torch.Generator().manual_seed(rows)
    own = torch.tensor(slots).repeat(rows)[:rows]
    inputs = torch.randn(rows, 24, generator=draw)
    down = torch.randn(3, 1, 4, 24, generator=draw)
    up = torch.randn(3, 1, 40, 4, generator=draw)
    before = torch.randn(rows, 50, generator=draw)
    small, got = torch.zeros(rows, 4), before.clone()
    vllm_cpu_lora.bgmv_shrink(inputs, down, small, own, 0.5)
    vllm_cpu_lora.bgmv_expand_slice(small, up, got, own, 10, 40)
    for row, slot in enumerate(own.tolist()):
        expected = before[row].clone()
        if slot >= 0:
            expected[10:] += up[slot, 0] @ (0.5 * down[slot, 0] @ inputs[row])
        torch.testing.assert_close(got[row], expected, rtol=1e-4, atol=1e-4)
    vllm_cpu_lora.bgmv_expand(small, up, got, own, add_inputs=False)
    assert bool((got[own == -1][:, :40] == 0).all())
