"""Files that people, disks and attackers produce under the names of pictures: made on the spot, the same every time."""

import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.helpers.networks import draw_photo

FORMATS = {
    ".jpg": "JPEG", ".png": "PNG", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF", ".webp": "WEBP", ".ppm": "PPM",
    ".tga": "TGA", ".ico": "ICO", ".jp2": "JPEG2000", ".avif": "AVIF", ".pcx": "PCX", ".heic": "HEIF",
}  # fmt: skip
CUTS = (0.02, 0.1, 0.3, 0.6, 0.9, 0.99)
FLIPS = 12
SIZE = (40, 60)


def encoded(image: Image.Image, kind: str, **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def photo(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.fromarray(draw_photo(*size)[0]).convert(mode)


def corpus(folder: Path) -> list[Path]:
    """Write all hostile files to `folder`, about 300."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for parts in (damaged(), odd_sizes(), odd_kinds(), no_pictures()):
        for name, content in parts:
            path = folder / name
            path.write_bytes(content)
            paths.append(path)
    return paths + links(folder)


def wide_profile() -> bytes:
    """Return a profile like Display P3: sRGB with wider primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {b"rXYZ": (0.515, 0.241, -0.001), b"gXYZ": (0.292, 0.692, 0.042), b"bXYZ": (0.157, 0.067, 0.784)}
    for number in range(struct.unpack(">I", profile[128:132])[0]):
        name, start = struct.unpack(">4sI", profile[132 + 12 * number : 140 + 12 * number])
        if name in primaries:
            values = [round(value * 65536) for value in primaries[name]]
            profile[start + 8 : start + 20] = struct.pack(">3i", *values)
    return bytes(profile)


def damaged() -> Iterator[tuple[str, bytes]]:
    """Cut short, with flipped bits, and under another format's name."""
    for ending, kind in FORMATS.items():
        whole = encoded(photo(), kind)
        for share in CUTS:
            yield f"cut{share}{ending}", whole[: int(len(whole) * share)]
        for seed in range(FLIPS):
            random = np.random.default_rng(seed)
            content = bytearray(whole)
            # Half of the flips are in the header, where they do more.
            end = len(content) if seed % 2 else min(64, len(content))
            for position in random.integers(0, end, 1 + seed % 5):
                content[position] ^= 1 << int(random.integers(8))
            yield f"flipped{seed}{ending}", bytes(content)
        for other in (".jpg", ".png"):
            yield f"really{ending[1:]}{other}", whole
        yield f"appended{ending}", whole + bytes(range(100))


def png(width: int, height: int, data: bytes, depth: int = 8, colours: int = 0) -> bytes:
    """Return a PNG with any header and any compressed data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def odd_sizes() -> Iterator[tuple[str, bytes]]:
    """Yield pictures of odd sizes: decompression bombs, empty ones, lines, and long sides."""
    yield "bomb.png", png(60000, 60000, zlib.compress(bytes(1000)))
    yield "bomb_that_fits.png", png(4000, 4000, zlib.compress(bytes(4000 * 4001), 9))
    yield "more_than_it_says.png", png(10, 10, zlib.compress(bytes(50_000_000), 9))
    yield "less_than_it_says.png", png(5000, 5000, zlib.compress(bytes(10)))
    yield "negative.bmp", encoded(photo(), "BMP")[:18] + struct.pack("<ii", -60, -40) + encoded(photo(), "BMP")[26:]
    yield "huge.bmp", encoded(photo(), "BMP")[:18] + struct.pack("<ii", 2**30, 2**30) + encoded(photo(), "BMP")[26:]
    yield "huge.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";"
    yield "huge.ppm", b"P6 99999 99999 255\n" + bytes(100)
    yield "long.ppm", b"P6 " + b"9" * 5000 + b" 1 255\n"
    for width, height in ((0, 0), (0, 5), (5, 0)):
        yield f"empty{width}x{height}.png", png(width, height, zlib.compress(b""))
        yield f"empty{width}x{height}.ppm", f"P6 {width} {height} 255\n".encode()
    for width, height in ((1, 1), (1, 7), (7, 1), (2, 2), (1, 5000), (5000, 1), (3, 20000), (20000, 3)):
        yield f"line{width}x{height}.png", encoded(Image.new("RGB", (width, height), "teal"), "PNG")


def odd_kinds() -> Iterator[tuple[str, bytes]]:
    """Return valid pictures of every mode and extra that formats have."""
    for mode, kind, ending in (
        ("CMYK", "JPEG", ".jpg"), ("CMYK", "TIFF", ".tif"), ("LAB", "TIFF", ".tif"),
        ("L", "JPEG", ".jpg"), ("1", "PNG", ".png"), ("LA", "PNG", ".png"), ("RGBA", "PNG", ".png"),
        ("P", "PNG", ".png"), ("P", "GIF", ".gif"), ("RGBA", "WEBP", ".webp"), ("I;16", "PNG", ".png"),
        ("I;16", "TIFF", ".tif"), ("F", "TIFF", ".tif"), ("I", "TIFF", ".tif"),
    ):  # fmt: skip
        image = photo("L").convert("I").point(lambda grey: grey * 257) if mode.startswith("I") else photo()
        if mode == "F":
            image = Image.fromarray(np.asarray(photo("L"), np.float32) / 255)
        elif mode == "LAB":
            image = ImageCms.profileToProfile(
                photo(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
            )
        yield f"mode_{mode.replace(';', '')}{ending}", encoded(image if mode == "LAB" else image.convert(mode), kind)
    yield "palette_alpha.png", encoded(photo("P"), "PNG", transparency=bytes(range(256)))
    for number in range(10):  # two of them are no orientations
        exif = Image.Exif()
        exif[0x0112] = number
        yield f"turned{number}.jpg", encoded(photo(), "JPEG", exif=exif)
    yield "bad_exif.jpg", encoded(photo(), "JPEG", exif=b"Exif\x00\x00MM\x00*" + bytes(range(90)))
    frames = [photo("P"), photo("P").rotate(180)]
    for ending, kind in ((".gif", "GIF"), (".png", "PNG"), (".webp", "WEBP"), (".tif", "TIFF")):
        yield f"moving{ending}", encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, profile in (("profile", srgb), ("bad_profile", b"nonsense" * 20), ("long_profile", srgb * 200)):
        yield f"{name}.jpg", encoded(photo(), "JPEG", icc_profile=profile)
        yield f"{name}.png", encoded(photo(), "PNG", icc_profile=profile)
    for mode in ("RGB", "L", "LA", "RGBA", "CMYK"):
        ending, kind = (".tif", "TIFF") if mode == "CMYK" else (".png", "PNG")
        yield f"profile_wide_{mode}{ending}", encoded(photo(mode), kind, icc_profile=wide_profile())
    yield "profile_cut.png", encoded(photo(), "PNG", icc_profile=wide_profile()[:200])
    for name, length in (("long_text", 5_000_000), ("bomb_of_text", 50_000_000)):
        text = PngInfo()
        text.add_text("history", "x" * length, zip=True)
        yield f"{name}.png", encoded(photo(), "PNG", pnginfo=text)
    yield "profile_of_megabytes.png", encoded(photo(), "PNG", icc_profile=wide_profile() + bytes(3_000_000))
    yield "mode_RGBA.heic", encoded(photo("RGBA"), "HEIF")
    yield "mode_RGB.jfif", encoded(photo(), "JPEG")
    yield "comment.jpg", encoded(photo(), "JPEG", comment=b"\x1b]0;owned\x07" + b"x" * 60000)


def no_pictures() -> Iterator[tuple[str, bytes]]:
    """Yield files of other kinds under a picture's name."""
    archive, tape = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../evil.py", "print('no')")
    with tarfile.open(fileobj=tape, mode="w") as file:
        file.addfile(tarfile.TarInfo("/etc/passwd"))
    contents = {
        "zip": archive.getvalue(), "tar": tape.getvalue(), "gz": gzip.compress(b"text" * 99), "empty": b"",
        "zeros": bytes(5000), "random": np.random.default_rng(0).bytes(5000), "pickle": b"\x80\x04cos\nsystem\n.",
        "script": b"#!/bin/sh\nrm -rf /\n", "html": b"<html><script>alert(1)</script>", "pdf": b"%PDF-1.7\n%",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(/etc/passwd) (r) file\n%%EOF",
        "elf": b"\x7fELF" + bytes(100), "text": "Grüße\n".encode("utf-16"), "npy": b"\x93NUMPY\x01\x00" + bytes(99),
        "psd": b"8BPS\x00\x01" + bytes(50), "fli": bytes(4) + b"\x11\xaf" + bytes(200),
        "mpo": b"\xff\xd8\xff\xe2\x00\x10MPF",
        "wmf": b"\xd7\xcd\xc6\x9a" + bytes(60), "iptc": b"\x1c\x02" + bytes(90), "xbm": b"#define w_width 99999999\n",
    }  # fmt: skip
    for name, content in contents.items():
        yield f"{name}.jpg", content
        yield f"{name}.png", content
    whole = encoded(photo(), "PNG")
    for name in (
        "ünïcödé 漢字 🐈",
        "with space",
        "-rf",
        "a'b\"c;$(id)`id`",
        "new\nline",
        "tab\tbed",
        "%s%n{0}",
        "x" * 250,
    ):
        yield f"{name}.png", whole
        yield f"{name[:200]}_.jpg", b"no picture"


def links(folder: Path) -> list[Path]:
    """Make symbolic links, and entries of a folder that are not regular files."""
    (folder / "folder.png").mkdir()
    (folder / "good_link.png").symlink_to("line7x1.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "device.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")  # opening it would wait for ever
    return [folder / f"{name}.png" for name in ("folder", "good_link", "dangling", "loop", "device", "pipe")]
