# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo from end to end, small; and its parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")
bpy = pytest.importorskip("bpy")
soundfile = pytest.importorskip("soundfile")
Image = pytest.importorskip("PIL.Image")

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "demo" / "speech.flac"
SECONDS, FPS, SIZE = 4.0, 3, (64, 72)


@pytest.fixture(scope="module")
def short_speech(tmp_path_factory) -> Path:
    """The end of the first sentence, the pause and the next: from the sample's second 7.5 on."""
    samples, rate = soundfile.read(SPEECH)
    path = tmp_path_factory.mktemp("speech") / "short.wav"
    soundfile.write(path, samples[round(7.5 * rate) : round((7.5 + SECONDS) * rate)], rate)
    return path


@pytest.fixture(scope="module")
def demo(short_speech, tmp_path_factory) -> tuple[Path, str]:
    """Output folder and printed text of one run of the demo."""
    pytest.importorskip("torch")
    if not (ROOT / "backend" / "checkpoints" / "default.safetensors").is_file():
        pytest.skip("there is no trained checkpoint in backend/checkpoints")
    output = tmp_path_factory.mktemp("demo") / "out"
    command = [
        sys.executable,
        str(ROOT / "demo" / "run.py"),
        "--audio",
        str(short_speech),
        "--output",
        str(output),
    ]
    command += ["--fps", str(FPS), "--samples", "1", "--size", f"{SIZE[0]}x{SIZE[1]}"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=570, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output, done.stdout


@pytest.mark.slow
def test_all_files_are_written_and_named(demo):
    output, text = demo
    names = {"demo.blend", "demo.npz", "demo.bvh", "demo.mp4", "contact_sheet.png"}
    assert {path.name for path in output.iterdir()} == names
    assert all(str(output / name) in text for name in names)
    assert "x real time" in text


@pytest.mark.slow
def test_the_film_has_picture_and_sound_as_long_as_the_speech(demo):
    with av.open(str(demo[0] / "demo.mp4")) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == SIZE
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video)]
    assert len(pictures) == round(SECONDS * FPS)
    with av.open(str(demo[0] / "demo.mp4")) as film:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
        assert abs(len(heard) / film.streams.audio[0].rate - SECONDS) < 0.15
    assert np.abs(heard).max() > 0.1
    assert len({picture.tobytes() for picture in pictures}) > 3  # the character moves


@pytest.mark.slow
def test_motion_files_last_as_long_as_the_speech(demo):
    with np.load(demo[0] / "demo.npz", allow_pickle=False) as motion:
        frames, fps = len(motion["directions"]), float(motion["fps"])
    assert frames == round(SECONDS * fps)
    bvh = (demo[0] / "demo.bvh").read_text("ascii")
    assert f"Frames: {frames}\n" in bvh


@pytest.mark.slow
def test_the_blend_holds_keys_stage_and_sound(demo):
    bpy.ops.wm.open_mainfile(filepath=str(demo[0] / "demo.blend"))
    scene = bpy.context.scene
    armature = scene.objects["Mannequin"]
    assert armature.animation_data.action is not None
    assert scene.camera is not None
    assert [sound.packed_file is not None for sound in bpy.data.sounds] == [True]
    hands = []
    for frame in range(scene.frame_start, scene.frame_end, 4):
        scene.frame_set(frame)
        hands.append(np.array(armature.pose.bones["hand.R"].matrix.translation))
    assert np.ptp(hands, axis=0).max() > 0.02
    assert abs((scene.frame_end - scene.frame_start + 1) / scene.render.fps - SECONDS) < 0.15


@pytest.mark.slow
def test_the_contact_sheet_shows_the_character_in_every_cell(demo):
    from demo import contact_sheet

    with Image.open(demo[0] / "contact_sheet.png") as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    cell = round(SIZE[0] * 0.92)
    for row in range(contact_sheet.ROWS):
        top = contact_sheet.HEADER + row * (SIZE[1] + contact_sheet.STRIP_HEIGHT + contact_sheet.GAP)
        for column in range(contact_sheet.COLUMNS):
            left = contact_sheet.GAP + column * cell
            picture = sheet[top : top + SIZE[1], left : left + cell]
            # The sweater is the only thing that is more green than red
            assert (picture[..., 1] > picture[..., 0] + 8).mean() > 0.03


def test_a_missing_audio_file_ends_the_demo_with_a_sentence(tmp_path):
    command = [sys.executable, str(ROOT / "demo" / "run.py"), "--audio", str(tmp_path / "none.wav")]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "The demo failed" in done.stderr
    assert "none.wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_pauses_of_the_sample_are_found():
    from demo.contact_sheet import find_pauses, speech_energy

    samples, rate = soundfile.read(SPEECH)
    lengths = [end - start for start, end in find_pauses(speech_energy(samples, rate))]
    assert len(lengths) >= 4
    assert 1.4 < max(lengths) < 2.2


def test_silence_is_one_pause():
    from demo.contact_sheet import find_pauses, speech_energy

    assert find_pauses(speech_energy(np.zeros(16_000), 16_000)) == [(0.0, 1.0)]


def test_the_sample_is_clean():
    samples, rate = soundfile.read(SPEECH)
    assert (rate, samples.ndim) == (16_000, 1)
    assert 18 < len(samples) / rate < 24
    assert 0.3 < np.abs(samples).max() < 0.99
    assert SPEECH.stat().st_size < 400_000
    # No click at a join: next to digital silence the sound is faint
    silent = samples == 0
    run = np.convolve(silent, np.ones(400), "valid") == 400
    edges = np.flatnonzero(np.diff(run.astype(int)))
    for edge in edges:
        assert np.abs(samples[max(0, edge - 20) : edge + 420]).max() < 0.02


def test_frame_points_agree_with_blender():
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    from demo.stage import create_stage, frame_points, set_render

    bpy.ops.wm.read_factory_settings(use_empty=True)
    camera = create_stage(bpy.context)
    scene = bpy.context.scene
    set_render(scene, 320, 400, 1)
    bpy.context.view_layer.update()
    points = np.random.default_rng(1).uniform((-0.6, -0.5, 0.4), (0.6, 0.3, 1.8), (20, 3))
    expected = [world_to_camera_view(scene, camera, Vector(point))[:2] for point in points]
    assert np.allclose(frame_points(camera, points, 320 / 400), expected, atol=1e-5)


def test_hand_speed_is_metres_a_second():
    from demo.contact_sheet import hand_speed

    angle = np.linspace(0, 1, 31)  # one radian in two seconds at 15 fps
    directions = np.zeros((31, 2, 3))
    directions[:, 0] = directions[:, 1] = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    fields = {
        "joint_names": np.array(["neck", "left_wrist", "right_wrist"]),
        "bone_pairs": np.array([[0, 1], [0, 2]]),
        "bone_lengths": np.array([0.6, 0.6]),
        "directions": directions,
        "fps": np.array(15.0),
    }
    speed, fps = hand_speed(fields)
    assert fps == 15.0
    assert np.allclose(speed, 0.3, atol=1e-3)


def test_laying_over_the_background_leaves_no_dark_edge(tmp_path):
    from demo.film import _over

    ground, body = (160, 140, 120), (40, 120, 130)
    Image.new("RGB", (40, 30), ground).save(tmp_path / "background.png")
    drawn = np.zeros((30, 40, 4), np.uint8)
    drawn[:, 20:] = (*body, 255)
    drawn[:, 19] = (0, 0, 0, 120)  # an edge pixel that the denoiser left too dark
    Image.fromarray(drawn).save(tmp_path / "picture.png")
    with Image.open(_over(tmp_path / "background.png", tmp_path / "picture.png")) as image:
        result = np.asarray(image).astype(int)
    assert (result[:, :17] == ground).all()
    assert (result[:, 23:] == body).all()
    low, high = np.minimum(ground, body), np.maximum(ground, body)
    assert (result >= low - 1).all()
    assert (result <= high + 1).all()
