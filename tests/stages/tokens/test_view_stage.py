import re

from assay.probes.files import ProbeInfo, load_probes, save_probes


def test_held_out_documents_are_shown_and_wrong_calls_refused(study, run_stage, capsys, tmp_path):
    out = tmp_path / "view.html"
    source = ["--prompts", study.folder / "prompts.jsonl"]
    assert run_stage("tokens.view", *study.view_options(tokens=300, out=out, source=source)) == 0
    first = out.read_bytes()
    assert len(re.findall(rb'<span class="t[ "]', first)) == 300
    assert run_stage("tokens.view", *study.view_options(tokens=300, out=out, source=source)) == 0
    assert out.read_bytes() == first

    for wrong in ([], [*source, "--text", study.texts]):
        assert run_stage("tokens.view", *study.view_options(tokens=300, out=out, source=wrong)) == 1
        assert "either --prompts" in capsys.readouterr().err
    options = study.view_options(tokens=300, out=out, source=source)
    options[options.index("--layer") + 1] = 3
    assert run_stage("tokens.view", *options) == 1
    assert "layer 3 of 3" in capsys.readouterr().err
    assert out.read_bytes() == first


def test_probes_of_another_model_are_refused(study, run_stage, capsys, tmp_path):
    probes, info = load_probes(study.folder / "next" / "probes.safetensors")
    save_probes(tmp_path / "p", probes, ProbeInfo(**{**vars(info), "pin": "f" * 64}))
    options = study.view_options(tokens=300, out=tmp_path / "v", source=["--text", study.texts])
    options[options.index("--next-probes") + 1] = tmp_path / "p"
    assert run_stage("tokens.view", *options) == 1
    assert "made with another model" in capsys.readouterr().err
