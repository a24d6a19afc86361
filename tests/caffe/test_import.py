"""Reading Caffe's files: what is written by others, what is damaged, and what does not fit."""

import dataclasses

import numpy as np
import pytest
import torch

from dgrl import DGRL, DGRLConfig
from dgrl.caffe.convert import CaffeError, import_caffe, read_brn, read_rln
from dgrl.caffe.format import read_layers
from dgrl.cli import main
from tests.helpers.caffe_files import key, numbers, part, v1_layer, varint, write_model
from tests.helpers.caffe_network import Layer, brn_network, rln_network


def rewritten(tmp_path, layers, numbers=numbers, encode=None):
    path = tmp_path / "model.caffemodel"
    write_model(path, layers, numbers, encode)
    return path


@pytest.fixture
def model(narrow):
    return DGRL(DGRLConfig.published())


def renamed(layers, old, new):
    return [dataclasses.replace(layer, name=new) if layer.name == old else layer for layer in layers]


def test_checkpoint_folder(narrow, narrow_models, tmp_path):
    out = tmp_path / "dgrl-published"
    model = import_caffe(*narrow_models, out)
    assert model.config == DGRLConfig.published()
    assert not model.training
    again = DGRL.from_pretrained(out).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, again[name]), name
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "rln.caffemodel" in card
    assert str(narrow_models[0].stat().st_size) in card
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_tensors_are_the_files(model, narrow_models):
    tensors = read_rln(narrow_models[0], model) | read_brn(narrow_models[1], model)
    assert tensors.keys() == model.state_dict().keys()
    blobs = dict(read_layers(narrow_models[0])) | dict(read_layers(narrow_models[1]))
    mean, variance, factor = (blob.values for blob in blobs["layer_256_3_bn3"])
    assert factor[0] != 1, "the test's numbers should divide by something"
    unit = "rln.backbone.conv4.unit3.norm3"
    np.testing.assert_allclose(tensors[f"{unit}.running_mean"], mean / factor, rtol=1e-6)
    np.testing.assert_allclose(tensors[f"{unit}.running_var"], variance / factor, rtol=1e-6)
    red_first = tensors["rln.backbone.conv1.conv.weight"].numpy()
    np.testing.assert_array_equal(red_first[:, 0], blobs["conv1"][0].values.reshape(red_first.shape)[:, 2])
    np.testing.assert_array_equal(tensors["brn.layers.12.bias"], blobs["conv3"][1].values)


def test_older_files_give_the_same(model, narrow_models, tmp_path):
    older = rewritten(tmp_path, rln_network(model_sizes(model)), encode=v1_layer)
    new = read_rln(narrow_models[0], model)
    for name, value in read_rln(older, model).items():
        assert torch.equal(value, new[name]), name
    older = rewritten(tmp_path, brn_network(), encode=v1_layer)
    new = read_brn(narrow_models[1], model)
    for name, value in read_brn(older, model).items():
        assert torch.equal(value, new[name]), name


def model_sizes(model):
    from tests.caffe.conftest import NARROW

    assert model.rln.backbone.channels[0] == NARROW.width
    return NARROW


def test_doubles_and_numbers_in_pieces(model, narrow_models, tmp_path):
    def in_doubles(layer, blobs):
        body = part(1, layer.name.encode())
        for blob in blobs:
            shape = part(7, part(1, b"".join(varint(side) for side in blob.shape)))
            body += part(7, shape + part(8, blob.astype("<f8").tobytes()))
        return [part(100, body)]

    def in_pieces(layer, blobs):
        body = part(1, layer.name.encode())
        for blob in blobs:
            values = blob.ravel()
            shape = part(7, b"".join(key(1, 0) + varint(side) for side in blob.shape))  # not packed
            body += part(7, shape + part(5, values[:3].tobytes()) + part(5, values[3:].tobytes()))
        return [part(100, body)]

    expected = read_brn(narrow_models[1], model)
    for encode in (in_doubles, in_pieces):
        read = read_brn(rewritten(tmp_path, brn_network(), encode=encode), model)
        for name, value in expected.items():
            assert torch.equal(value, read[name]), (encode, name)


def test_factor_of_zero_makes_statistics_zero(model, tmp_path):
    def without_factor(layer, i):
        return np.zeros(1, np.float32) if layer.kind == "BatchNorm" and i == 2 else numbers(layer, i)

    tensors = read_rln(rewritten(tmp_path, rln_network(model_sizes(model)), without_factor), model)
    assert not tensors["rln.backbone.conv5.norm.running_mean"].any()
    assert not tensors["rln.backbone.conv5.norm.running_var"].any()


def test_layers_without_parameters_may_be_any(model, narrow_models, tmp_path):
    extra = [Layer("Split", "conv3_conv3_0_split", ("conv3",), "x"), Layer("SoftmaxWithLoss", "loss", ("x",), "loss")]
    read = read_brn(rewritten(tmp_path, [*extra, *brn_network()]), model)
    assert torch.equal(read["brn.layers.0.bias"], read_brn(narrow_models[1], model)["brn.layers.0.bias"])


def test_mismatched_names_are_refused(model, tmp_path):
    layers = renamed(brn_network(), "conv2_1", "conv9_9")
    with pytest.raises(CaffeError, match=r"layer conv9_9 is left over; layer conv2_1 is missing$"):
        read_brn(rewritten(tmp_path, layers), model)
    layers = [layer for layer in brn_network() if layer.name != "conv3"]
    with pytest.raises(CaffeError, match=r"network: layer conv3 is missing$"):
        read_brn(rewritten(tmp_path, layers), model)
    layers = brn_network()
    with pytest.raises(CaffeError, match=r"network: layer conv1_1 occurs twice$"):
        read_brn(rewritten(tmp_path, [*layers, layers[2]]), model)


def test_files_in_the_wrong_order(model, narrow_models):
    with pytest.raises(CaffeError, match=r"brn\.caffemodel does not fit .*conv1_1 is left over; .*; and \d+ more$"):
        read_rln(narrow_models[1], model)


def test_shapes_that_do_not_fit(model, tmp_path):
    def misshapen(layer, i):
        values = numbers(layer, i)
        return values[:, :, :1] if (layer.name, i) == ("conv1_2", 0) else values

    with pytest.raises(
        CaffeError, match=r"layer conv1_2 holds a parameter of shape \(64, 64, 1, 3\) instead of \(64, 64"
    ):
        read_brn(rewritten(tmp_path, brn_network(), misshapen), model)

    layers = brn_network()
    i = next(i for i, layer in enumerate(layers) if layer.name == "conv1_2")
    layers[i] = dataclasses.replace(layers[i], shapes=layers[i].shapes[:1])
    with pytest.raises(CaffeError, match="layer conv1_2 has 1 parameters instead of 2"):
        read_brn(rewritten(tmp_path, layers), model)


def test_too_few_numbers_for_their_shape(model, tmp_path):
    def short(layer, blobs):
        blob = part(7, part(1, varint(64))) + part(5, np.zeros(63, "<f4").tobytes())
        return [part(100, part(1, layer.name.encode()) + part(7, blob))] if blobs else []

    with pytest.raises(CaffeError, match=r"layer conv1_1 says that a parameter is \(64,\), and holds 63 numbers"):
        read_brn(rewritten(tmp_path, brn_network(), encode=short), model)


def test_copies_that_differ(model, tmp_path):
    def altered(layer, i):
        values = numbers(layer, i)
        return values + 1 if layer.name == "layer_128_2_conv1-net3" else values

    message = "layers layer_128_2_conv1 and layer_128_2_conv1-net3 share their parameters but differ"
    with pytest.raises(CaffeError, match=message):
        read_rln(rewritten(tmp_path, rln_network(model_sizes(model)), altered), model)


def test_values_that_are_not_finite_are_refused(model, tmp_path):
    def altered(layer, i):
        values = numbers(layer, i)
        return values * np.float32(np.nan) if layer.name == "conv2_2" else values

    with pytest.raises(CaffeError, match="layer conv2_2 holds NaN or infinite numbers"):
        read_brn(rewritten(tmp_path, brn_network(), altered), model)


@pytest.mark.parametrize("name", ["data_transpose", "conv3-prod_sal_sum", "conv3-prod_back_sum"])
def test_fixed_layers_are_checked(model, tmp_path, name):
    def altered(layer, i):
        return numbers(layer, i) + (layer.name == name)

    with pytest.raises(CaffeError, match=f"layer {name} is not the fixed one of the published BRN"):
        read_brn(rewritten(tmp_path, brn_network(), altered), model)


def test_damaged_files(model, narrow_models, tmp_path):
    whole = narrow_models[1].read_bytes()
    path = tmp_path / "damaged.caffemodel"
    for content, message in (
        (whole[: len(whole) // 2], "is not a Caffe model, or is incomplete"),
        (b"", "is not a Caffe model: it holds no layers"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a Caffe model"),
        (b'name: "net"\nlayer { }\n', "is not a Caffe model"),
    ):
        path.write_bytes(content)
        with pytest.raises(CaffeError, match=f"^{path} {message}"):
            read_brn(path, model)
    write_model(path, brn_network()[:10])  # cut between two layers, the rest is a whole message: the names tell
    with pytest.raises(CaffeError, match="layer conv2_2 is missing; layer conv2_3 is missing"):
        read_brn(path, model)
    for path in (tmp_path / "none.caffemodel", tmp_path):
        with pytest.raises(CaffeError, match=f"^{path} cannot be read: "):
            read_brn(path, model)


def test_nothing_is_written_after_an_error(narrow, narrow_models, tmp_path):
    rln, _ = narrow_models
    with pytest.raises(CaffeError):
        import_caffe(rln, rln, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(narrow, narrow_models, tmp_path, capfd):
    rln, brn = map(str, narrow_models)
    out = tmp_path / "out"
    assert main(["import-caffe", brn, rln, str(out)]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "does not fit the published network" in error
    assert not out.exists()
    assert main(["import-caffe", rln, brn, str(out)]) == 0
    assert DGRL.from_pretrained(out).config.backbone == "caffe_resnet50"
