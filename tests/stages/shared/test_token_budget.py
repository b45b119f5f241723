import pytest
import torch

from stages.shared.token_budget import token_budget


@pytest.mark.parametrize(("cuda", "default"), [(False, 2048), (True, 16384)])
def test_the_device_decides_unless_the_command_line_does(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, default: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert token_budget(None) == default
    assert token_budget(100) == 100
