"""Ultrasound in DICOM: geometry, grey levels, order and silence about the patient."""

import json
import warnings

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from dicom_files import SECRETS, encode, region, write_dicom
from MR2USProLib.commands import inspect
from MR2USProLib.errors import InputError
from MR2USProLib.video.exam import read_exam
from phantom_exam import phantom_exam
from scanner_screen import Screen, write_video

SCREEN = Screen(transverse_at=(20, 60), sagittal_at=(362, 70), size=(720, 400))
SAGITTAL, TRANSVERSE = (362, 70, 320, 300), (20, 60, 320, 285)
REGIONS = [
    region(SAGITTAL, (0.021, 0.019)),
    region((0, 380, 100, 20), (0.5, 0.5), data=10),  # a trace of the electrocardiogram
    region(TRANSVERSE, (0.042, 0.041)),
]


@pytest.fixture(scope="module")
def screen():
    exam = phantom_exam()
    return SCREEN.pictures(exam.sagittal, exam.transverse)[:12]


def cut(pictures, box):
    x, y, width, height = box
    return pictures[:, y : y + height, x : x + width]


def frames(seed=0, n=5, rows=40, columns=48):
    """Smooth pictures, so that lossy codecs stay close to them."""
    noise = np.random.default_rng(seed).uniform(0, 255, (n, rows, columns)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(picture, (0, 0), 3) for picture in noise])
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth) * 255, np.uint8)


def read_both(path):
    return read_exam(sagittal=path, transverse=path)


def test_two_regions_are_the_two_views_each_with_its_own_spacing(screen, tmp_path):
    path = write_dicom(tmp_path / "exam.dcm", screen, regions=REGIONS)
    exam = read_exam(video=path)
    np.testing.assert_array_equal(exam.sagittal, cut(screen, SAGITTAL))
    np.testing.assert_array_equal(exam.transverse, cut(screen, TRANSVERSE))
    assert exam.sagittal_spacing_mm == pytest.approx((0.19, 0.21))
    assert exam.transverse_spacing_mm == pytest.approx((0.41, 0.42))
    assert (exam.found.sagittal, exam.found.transverse, exam.found.confidence) == (SAGITTAL, TRANSVERSE, "high")
    assert "header" in exam.found.note

    seen = inspect.run(out=tmp_path / "seen", video=path)
    assert (seen["frames"], seen["size_px"]) == (12, [720, 400])
    assert (seen["sagittal_roi"], seen["transverse_roi"]) == ([*SAGITTAL], [*TRANSVERSE])
    assert seen["spacing_mm"] == pytest.approx([0.19, 0.21])
    assert seen["transverse_spacing_mm"] == pytest.approx([0.41, 0.42])
    picture = sitk.ReadImage(str(tmp_path / "seen" / "picture.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(picture)[0], screen[0])


def test_a_region_around_both_views_gives_their_spacing(screen, tmp_path):
    path = write_dicom(tmp_path / "exam.dcm", screen, regions=[region((0, 0, 720, 400), (0.03, 0.02))])
    exam = read_exam(video=path)
    assert exam.sagittal_spacing_mm == exam.transverse_spacing_mm == pytest.approx((0.2, 0.3))
    assert np.abs(np.subtract(exam.found.sagittal, SAGITTAL)).max() <= 2


def test_jpeg_frames_in_colour(screen, tmp_path):
    colour = np.stack([screen] * 3, axis=-1)
    path = write_dicom(
        tmp_path / "exam.dcm",
        colour,
        regions=REGIONS,
        photometric="YBR_FULL_422",
        syntax=JPEGBaseline8Bit,
        encoded=encode(colour, "JPEG", quality=92, subsampling="4:2:2"),
    )
    exam = read_exam(video=path)
    assert np.abs(exam.sagittal.astype(int) - cut(screen, SAGITTAL)).mean() < 4
    assert np.abs(exam.transverse.astype(int) - cut(screen, TRANSVERSE)).mean() < 4
    assert exam.sagittal_spacing_mm == pytest.approx((0.19, 0.21))


@pytest.mark.parametrize("kind", ["JPEG 2000", "RLE", "JPEG lossless"])
def test_lossless_compression_changes_nothing(kind, tmp_path):
    grey, path = frames(), tmp_path / "a.dcm"
    if kind == "JPEG 2000":
        codes = encode(grey, "JPEG2000", irreversible=False, no_jp2=True)
        write_dicom(path, grey, regions=[region((0, 0, 48, 40))], syntax=JPEG2000Lossless, encoded=codes)
    elif kind == "RLE":
        ds = dcmread(write_dicom(path, grey, regions=[region((0, 0, 48, 40))]))
        ds.compress(RLELossless)
        ds.save_as(path)
    else:
        image = sitk.GetImageFromArray(grey)
        image.SetSpacing((0.3, 0.2, 1))
        writer = sitk.ImageFileWriter()
        writer.SetUseCompression(True)
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(path))
        writer.Execute(image)
        assert dcmread(path).file_meta.TransferSyntaxUID.name.startswith("JPEG Lossless")
    exam = read_both(path)
    np.testing.assert_array_equal(exam.sagittal, grey)
    assert exam.sagittal_spacing_mm == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colours_become_luminance(planar, photometric, tmp_path):
    grey = frames()
    rgb = np.stack([grey, np.roll(grey, 5, axis=1), 255 - grey], axis=-1)
    stored = rgb
    if photometric == "YBR_FULL":
        stored = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]] for picture in rgb])
    path = write_dicom(tmp_path / "a.dcm", stored, photometric=photometric, planar=planar, PixelSpacing=[0.2, 0.3])
    luminance = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_both(path).sagittal - luminance).max() <= 2


def test_a_palette_is_looked_up(tmp_path):
    grey = frames()
    ramp = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")}
    table = (np.arange(255, -1, -1, dtype=np.uint16) * 257).tobytes()
    ramp |= {f"{c}PaletteColorLookupTableData": table for c in ("Red", "Green", "Blue")}
    path = write_dicom(tmp_path / "a.dcm", grey, photometric="PALETTE COLOR", PixelSpacing=[0.2, 0.3], **ramp)
    np.testing.assert_array_equal(read_both(path).sagittal, 255 - grey)


def test_monochrome_1_is_inverted_and_sixteen_bit_stretched(tmp_path):
    grey = frames()
    path = write_dicom(tmp_path / "a.dcm", 255 - grey, photometric="MONOCHROME1", PixelSpacing=[0.2, 0.3])
    np.testing.assert_array_equal(read_both(path).sagittal, grey)
    deep = grey.astype(np.uint16) * 16
    path = write_dicom(tmp_path / "b.dcm", deep, bits_stored=12, PixelSpacing=[0.2, 0.3])
    stretched = np.clip(grey * (255 / np.percentile(grey, 99.9)), 0, 255)
    assert np.abs(read_both(path).sagittal - stretched).max() <= 1


def test_a_video_in_the_place_of_pixels(screen, tmp_path):
    stream = write_video(tmp_path / "a.mp4", screen).read_bytes()
    path = write_dicom(tmp_path / "a.dcm", screen, regions=REGIONS, syntax="1.2.840.10008.1.2.4.102", encoded=[stream])
    exam = read_exam(video=path)
    assert np.abs(exam.sagittal.astype(int) - cut(screen, SAGITTAL)).mean() < 8
    assert exam.sagittal_spacing_mm == pytest.approx((0.19, 0.21))


def test_two_files_each_cut_to_its_region(screen, tmp_path):
    a = write_dicom(tmp_path / "a.dcm", screen, regions=[REGIONS[0]])
    b = write_dicom(tmp_path / "b", screen, regions=[REGIONS[2]])  # scanners name files without a suffix
    exam = read_exam(sagittal=a, transverse=b)
    np.testing.assert_array_equal(exam.sagittal, cut(screen, SAGITTAL))
    np.testing.assert_array_equal(exam.transverse, cut(screen, TRANSVERSE))
    assert exam.sagittal_spacing_mm == pytest.approx((0.19, 0.21))
    assert exam.transverse_spacing_mm == pytest.approx((0.41, 0.42))
    seen = inspect.run(out=tmp_path / "seen", sagittal=a, transverse=b)
    assert seen["transverse_spacing_mm"] == pytest.approx([0.41, 0.42])


@pytest.mark.parametrize("order", ["InstanceNumber", "AcquisitionTime", "name"])
def test_a_series_in_the_order_of_acquisition(order, tmp_path):
    grey = frames(n=12)
    for t, picture in enumerate(grey):
        name = {"InstanceNumber": f"IM{97 * t % 101}", "AcquisitionTime": f"{(5 * t) % 12}", "name": f"IM{t}"}[order]
        says = {"InstanceNumber": t + 3} if order == "InstanceNumber" else {}
        says |= {"AcquisitionTime": f"1041{t:02d}.5"} if order == "AcquisitionTime" else {}
        write_dicom(tmp_path / name, picture[None], regions=[region((0, 0, 48, 40))], **says)
    exam = read_both(tmp_path)
    np.testing.assert_array_equal(exam.sagittal, grey)
    assert exam.sagittal_spacing_mm == pytest.approx((0.2, 0.3))


def bad(kind, folder):
    grey, path = frames(), folder / "a.dcm"
    if kind == "uncalibrated":
        write_dicom(path, grey, regions=[region((0, 0, 48, 40), units=0)])
    elif kind == "one by one":
        write_dicom(path, grey, PixelSpacing=[1, 1])
    elif kind == "one picture":
        write_dicom(path, grey[:1], PixelSpacing=[0.2, 0.2])
    elif kind == "torn":
        write_dicom(path, grey, PixelSpacing=[0.2, 0.2])
        path.write_bytes(path.read_bytes()[:-3000])
    elif kind == "torn header":
        write_dicom(path, grey)
        path.write_bytes(path.read_bytes()[:700])
    elif kind == "garbled frames":
        write_dicom(path, grey, syntax=JPEGBaseline8Bit, encoded=[b"no picture"] * 5, PixelSpacing=[0.2, 0.2])
    elif kind == "no pixels":
        ds = dcmread(write_dicom(path, grey))
        del ds.PixelData, ds.Rows
        ds.save_as(path)
    elif kind == "two series":
        write_dicom(folder / "1", grey[:1], InstanceNumber=1)
        write_dicom(folder / "2", grey[1:2], InstanceNumber=2, SeriesInstanceUID="1.2.3.5")
        return folder
    elif kind == "two sizes":
        write_dicom(folder / "1", grey[:1])
        write_dicom(folder / "2", grey[1:2, :-2])
        return folder
    elif kind == "odd values":
        ds = dcmread(write_dicom(path, grey, PixelSpacing=[0.2, 0.2]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds.add_new("NumberOfFrames", "LO", SECRETS[0])
            ds.save_as(path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("uncalibrated", "--spacing"),
        ("one by one", "--spacing"),
        ("one picture", "two frames"),
        ("torn", "complete file"),
        ("torn header", "a.dcm"),
        ("garbled frames", "transfer syntax"),
        ("no pixels", "without pictures"),
        ("two series", "several DICOM series"),
        ("two sizes", "different sizes"),
        ("odd values", "could not be read as DICOM"),
    ],
)
def test_bad_files_get_one_sentence_that_names_no_patient(kind, words, tmp_path, capfd):
    path = bad(kind, tmp_path)
    with pytest.raises(InputError) as caught:
        read_both(path)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert caught.value.__cause__ is None
    everything = said + "".join(capfd.readouterr())
    assert not any(secret in everything for secret in SECRETS), everything


def test_nothing_of_the_patient_reaches_the_results(screen, tmp_path, capfd):
    path = write_dicom(tmp_path / "a.dcm", screen, regions=REGIONS, AcquisitionDateTime="20260102104100")
    seen = inspect.run(out=tmp_path / "seen", video=path)
    exam = read_exam(video=path)
    everything = json.dumps(seen) + repr(exam.notes) + repr(exam.found) + "".join(capfd.readouterr())
    everything += (tmp_path / "seen" / "picture.nrrd").read_bytes()[:400].decode("latin-1")
    assert not any(secret in everything for secret in (*SECRETS, "20260102"))
