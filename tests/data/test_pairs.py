import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from dgrl.data.pairs import DataError, Pair, SaliencyData, augmentation, find_pairs, plain_resize
from dgrl.data.text_pages import draw_page
from dgrl.images import ImageError
from tests.helpers.networks import draw_photo, write_pairs


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pairs_by_stem_in_order(tmp_path):
    images = touch(tmp_path / "image", "b.jpg", "a.JPG", "c.jpeg", "notes.txt", ".hidden")
    masks = touch(tmp_path / "mask", "c.png", "a.png", "b.bmp", "unused.png", "Thumbs.db")
    pairs = find_pairs(images, masks)
    assert [(p.image.name, p.mask.name, p.stem) for p in pairs] == [
        ("a.JPG", "a.png", "a"),
        ("b.jpg", "b.bmp", "b"),
        ("c.jpeg", "c.png", "c"),
    ]


def test_exclusions_are_left_out_even_without_masks(tmp_path):
    images = touch(tmp_path / "image", "a.jpg", "b.jpg", "c.jpg")
    masks = touch(tmp_path / "mask", "a.png", "c.png")
    assert [p.stem for p in find_pairs(images, masks, exclude={"b", "never there"})] == ["a", "c"]


def test_missing_masks_are_named_and_counted(tmp_path):
    images = touch(tmp_path / "image", "a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(DataError, match=r"no mask in .*mask for b and 1 more"):
        find_pairs(images, touch(tmp_path / "mask", "a.png"))
    with pytest.raises(DataError, match=r"for b$"):
        find_pairs(images, touch(tmp_path / "mask", "c.png"))


@pytest.mark.parametrize("missing", ["image", "mask"])
def test_missing_folders_are_named(tmp_path, missing):
    touch(tmp_path / "image", "a.jpg")
    touch(tmp_path / "mask", "a.png")
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{missing} is not a folder"):
        find_pairs(tmp_path / "image", tmp_path / "mask")


def test_no_pictures_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        find_pairs(touch(tmp_path / "image", "a.txt"), touch(tmp_path / "mask", "a.png"))


def test_two_pictures_of_one_name_are_refused(tmp_path):
    """Some data sets keep a.jpg and its mask a.png in one folder; the mask must not become the picture."""
    both = touch(tmp_path / "both", "a.jpg", "a.png")
    with pytest.raises(DataError, match=r"a\.jpg and a\.png"):
        find_pairs(both, both)


def test_hidden_files_are_no_pictures(tmp_path):
    images = touch(tmp_path / "image", "a.jpg", "._a.jpg", ".b.png")
    masks = touch(tmp_path / "mask", "a.png", "._a.png")
    assert [pair.stem for pair in find_pairs(images, masks)] == ["a"]


@pytest.mark.parametrize(("threshold", "salient"), [(127, [0, 0, 1, 1, 1]), (128, [0, 0, 0, 1, 1])])
def test_ground_truth_is_brighter_than_the_threshold(tmp_path, threshold, salient):
    Image.fromarray(np.array([[0, 127, 128, 149, 255]], np.uint8)).save(tmp_path / "a.png")
    truth = Pair(tmp_path / "a.jpg", tmp_path / "a.png", threshold).truth()
    assert (truth.dtype, truth.tolist()) == (np.uint8, [salient])


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path, 3)


def pair_of(item):
    return item.images, item.masks


def test_items(pairs):
    data = SaliencyData(pairs, plain_resize(48))
    assert len(data) == 3
    for i in range(3):
        image, mask = pair_of(data[i])
        assert type(image) is type(mask) is torch.Tensor
        assert (image.shape, image.dtype) == ((3, 48, 48), torch.float32)
        assert (mask.shape, mask.dtype) == ((1, 48, 48), torch.float32)
        assert 0 <= image.min() < image.max() <= 1
        assert mask.unique().tolist() == [0, 1]
        # The disc is brighter than the ground, so picture and mask belong together.
        grey = image.mean(0, keepdim=True)
        assert grey[mask == 1].mean() > grey[mask == 0].mean() + 0.2


def test_items_without_resizing_are_the_files(pairs):
    image, mask = pair_of(SaliencyData(pairs, v2.Identity())[0])
    np.testing.assert_array_equal((image * 255).round().byte().permute(1, 2, 0), np.asarray(Image.open(pairs[0].image)))
    np.testing.assert_array_equal(mask[0] * 255, np.asarray(Image.open(pairs[0].mask)))


def test_augmentation_depends_only_on_seed_epoch_and_index(pairs):
    data = SaliencyData(pairs, augmentation(48), seed=5)
    first = data[1].images
    torch.manual_seed(123)
    _ = data[0], data[2]
    assert torch.equal(data[1].images, first), "it depends on the global generator or on what was read before"
    again = SaliencyData(pairs, augmentation(48), seed=5)
    assert torch.equal(again[1].images, first)
    variants = [first]
    data.epoch = 1
    variants.append(data[1].images)
    data.epoch, data.seed = 0, 6
    variants.append(data[1].images)
    twins = SaliencyData([pairs[1], pairs[1]], augmentation(48), seed=5)
    variants.append(twins[0].images)
    assert torch.equal(twins[1].images, first)
    for i, variant in enumerate(variants):
        assert not any(torch.equal(variant, other) for other in variants[:i])


def test_augmentation_leaves_the_global_generator_alone(pairs):
    data = SaliencyData(pairs, augmentation(48))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    _ = data[0]
    assert torch.equal(torch.rand(3), expected)


def test_augmentation_does_not_seed_other_devices(pairs, monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("it seeds GPUs, and leaves them so"))
    item = SaliencyData(pairs, augmentation(48))[0]
    assert item.images.shape == (3, 48, 48)


def test_image_and_mask_move_together_and_masks_stay_binary(tmp_path):
    """The picture is its own mask, so that after any crop and flip one must still be the other."""
    (tmp_path / "image").mkdir()
    (tmp_path / "mask").mkdir()
    mask = draw_photo(100, 140)[1]
    Image.fromarray(np.dstack([mask] * 3)).save(tmp_path / "image" / "a.png")
    Image.fromarray(mask).save(tmp_path / "mask" / "a.png")
    transform = augmentation(64)
    assert isinstance(transform, v2.Compose)
    moves = v2.Compose(transform.transforms[:2])  # without colours and blur
    data = SaliencyData(find_pairs(tmp_path / "image", tmp_path / "mask"), moves)
    shares = set()
    for data.epoch in range(12):
        image, mask = pair_of(data[0])
        assert set(mask.unique().tolist()) <= {0, 1}
        differing = ((image[:1] > 0.5) != (mask > 0.5)).float().mean()
        assert differing < 0.05, "only the rim may differ, by rounding"
        shares.add(round(mask.mean().item(), 3))
    assert len(shares) > 6, "the crops are all alike"


def test_objects_of_other_pictures_are_pasted(pairs):
    """Without crops and colours, every pixel comes from the picture, or from within another one's mask."""
    plain = SaliencyData(pairs, plain_resize(48))
    data = SaliencyData(pairs, plain_resize(48), seed=3, paste_share=0.5)
    changed = 0
    for data.epoch in range(12):
        (own, own_mask), (image, mask) = pair_of(plain[1]), pair_of(data[1])
        grown = mask > own_mask
        assert torch.equal(mask.maximum(own_mask), mask), "the picture's own object still counts"
        assert any(
            torch.equal(image, torch.where(shape > 0, other, own)) and torch.equal(mask, own_mask.maximum(shape))
            for other, shape in [(own, own_mask), *map(pair_of, plain)]
        )
        changed += bool(grown.any())
        assert torch.equal(data[1].images, image), "it is not always the same one in an epoch"
    assert 0 < changed < 12


def test_pages_of_text_have_no_object(pairs):
    plain = SaliencyData(pairs, plain_resize(48))
    data = SaliencyData(pairs, plain_resize(48), seed=3, page_share=0.5)
    pages = []
    for data.epoch in range(12):
        (own, own_mask), (image, mask) = pair_of(plain[1]), pair_of(data[1])
        if torch.equal(image, own):
            assert torch.equal(mask, own_mask)
            continue
        assert image.shape == own.shape
        assert not mask.any()
        assert torch.equal(data[1].images, image), "it is not always the same one in an epoch"
        pages.append(image)
    assert 0 < len(pages) < 12
    assert not any(torch.equal(pages[0], page) for page in pages[1:])


def test_drawn_pages_show_ink_on_paper_all_over():
    torch.manual_seed(0)
    for _ in range(20):
        page = draw_page(320)
        assert page.dtype == torch.uint8
        assert all(320 <= side <= 480 for side in page.shape[1:])
        middle = page[:, 100:-100, 100:-100].float()
        for tile in (middle[..., :60, :60], middle[..., -60:, -60:]):
            assert tile.std() > 8, "there is text in every part"


def test_flips_happen(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "mask").mkdir()
    left = np.zeros((32, 32), np.uint8)
    left[:, :8] = 255
    for kind in ("image", "mask"):
        Image.fromarray(left).save(tmp_path / kind / "a.png")
    data = SaliencyData(find_pairs(tmp_path / "image", tmp_path / "mask"), augmentation(32, smallest_crop=0.99))
    flipped = []
    for data.epoch in range(16):
        image, mask = pair_of(data[0])
        assert (image[0, :, 0].mean() > 0.3) == (mask[0, :, 0].mean() > 0.5), "one was flipped without the other"
        flipped.append(mask[0, :, -1].mean().item() > 0.5)
    assert 0 < sum(flipped) < 16


def test_a_mask_of_another_size_is_refused(pairs):
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(pairs[1].mask)
    with pytest.raises(ImageError, match=r"001\.png"):
        SaliencyData(pairs, plain_resize(32))[1]


def test_a_damaged_picture_is_named(pairs):
    pairs[2].image.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"002\.png"):
        SaliencyData(pairs, plain_resize(32))[2]
