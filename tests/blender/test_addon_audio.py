# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Where speech comes from: files, sounds, strips with their trimming, speakers."""

from pathlib import Path
from typing import Any

import pytest
from conftest import babble, blender_has_audio, write_wav

bpy = pytest.importorskip("bpy")

from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.sound import sequencer
from diffgesture_blender.sound import source as audio_source
from diffgesture_blender.sound.source import AudioClip

needs_audio = pytest.mark.skipif(
    not blender_has_audio(), reason="this bpy was built without audio: it makes no sound strips"
)


@pytest.fixture
def settings(addon: object) -> Any:
    return bpy.context.scene.diffgesture


@pytest.fixture
def long_speech(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "ten seconds.wav", babble(10.0))


@pytest.fixture
def strip(addon: object, long_speech: Path) -> Any:
    """Ten seconds of sound at frame 101 of a scene with 25 frames per second."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 25, 1.0
    scene.diffgesture.audio_source = "STRIP"
    assert sequencer.add_sound_strip(scene, str(long_speech), None, 101) is not None
    (found,) = sequencer.sound_strips(scene)
    return found


def resolve(settings: Any, folder: Path) -> AudioClip:
    return audio_source.resolve(settings, bpy.context, folder)


def trim(strip: Any, left: int, right: int) -> None:
    """Move the handles to these frames."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = left, right
    else:
        strip.frame_final_start, strip.frame_final_end = left, right


def test_a_file_path_relative_to_the_blend(settings: Any, long_speech: Path, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.context.scene.diffgesture.audio_path = "//ten seconds.wav"
    clip = resolve(bpy.context.scene.diffgesture, tmp_path)
    assert clip == AudioClip(path=long_speech, name="ten seconds", original=long_speech)


def test_a_sound_on_disk(settings: Any, long_speech: Path, tmp_path: Path) -> None:
    settings.audio_source, settings.sound = "SOUND", bpy.data.sounds.load(str(long_speech))
    clip = resolve(settings, tmp_path)
    assert clip.path == long_speech
    assert clip.sound == settings.sound.name


def test_a_packed_sound_needs_no_file(settings: Any, long_speech: Path, tmp_path: Path) -> None:
    sound = bpy.data.sounds.load(str(long_speech))
    sound.pack()
    content = long_speech.read_bytes()
    long_speech.unlink()
    settings.audio_source, settings.sound = "SOUND", sound
    clip = resolve(settings, tmp_path)
    assert clip.path.parent == tmp_path
    assert clip.path.read_bytes() == content


def test_a_sound_whose_file_is_gone(settings: Any, long_speech: Path, tmp_path: Path) -> None:
    settings.audio_source, settings.sound = "SOUND", bpy.data.sounds.load(str(long_speech))
    long_speech.unlink()
    with pytest.raises(DiffGestureError, match=r"file of the sound .* is missing"):
        resolve(settings, tmp_path)


@needs_audio
def test_an_untrimmed_strip(strip: Any, settings: Any, tmp_path: Path) -> None:
    clip = resolve(settings, tmp_path)
    assert clip.frame == 101
    assert clip.start == 0
    assert clip.end == pytest.approx(10.0)


@needs_audio
def test_a_trimmed_strip_uses_what_is_heard(strip: Any, settings: Any, tmp_path: Path) -> None:
    trim(strip, 151, 251)  # two seconds off the start, four seconds long
    clip = resolve(settings, tmp_path)
    assert clip.frame == 151
    assert (clip.start, clip.end) == (pytest.approx(2.0), pytest.approx(6.0))


@needs_audio
def test_the_base_of_the_frame_rate_counts(strip: Any, settings: Any, tmp_path: Path) -> None:
    bpy.context.scene.render.fps_base = 1.25  # 20 frames per second
    trim(strip, 151, 251)
    clip = resolve(settings, tmp_path)
    assert (clip.start, clip.end) == (pytest.approx(2.5), pytest.approx(7.5))


@needs_audio
def test_a_sound_offset_moves_the_sound_within_the_strip(strip: Any, settings: Any, tmp_path: Path) -> None:
    if not hasattr(strip, "sound_offset"):
        pytest.skip("strips of this Blender have no offset")
    strip.sound_offset = 1.0
    clip = resolve(settings, tmp_path)
    assert clip.frame == pytest.approx(126)
    assert clip.start == 0
    assert clip.end == pytest.approx(9.0)
    strip.sound_offset = -1.0
    clip = resolve(settings, tmp_path)
    assert clip.frame == pytest.approx(101)
    assert clip.start == pytest.approx(1.0)


@needs_audio
def test_the_strip_is_found_by_name_or_because_it_is_the_only_one(
    strip: Any, settings: Any, tmp_path: Path, speech: Path
) -> None:
    scene = bpy.context.scene
    scene.sequence_editor.active_strip = None
    assert resolve(settings, tmp_path).frame == 101
    sequencer.add_sound_strip(scene, str(speech), None, 7)
    scene.sequence_editor.active_strip = None
    with pytest.raises(DiffGestureError, match="no active sound strip"):
        resolve(settings, tmp_path)
    settings.strip_name = next(item.name for item in sequencer.sound_strips(scene) if item != strip)
    assert resolve(settings, tmp_path).frame == 7
    settings.strip_name = "Nobody"
    with pytest.raises(DiffGestureError, match="no sound strip named Nobody"):
        resolve(settings, tmp_path)


def test_no_strip_at_all(settings: Any, tmp_path: Path) -> None:
    settings.audio_source = "STRIP"
    with pytest.raises(DiffGestureError, match="no active sound strip"):
        resolve(settings, tmp_path)


@needs_audio
def test_a_sound_is_not_added_twice(addon: object, speech: Path) -> None:
    scene = bpy.context.scene
    assert sequencer.add_sound_strip(scene, str(speech), None, 5) is not None
    assert sequencer.add_sound_strip(scene, str(speech), None, 5) is None
    assert sequencer.add_sound_strip(scene, str(speech), None, 6) is not None
    strips = sequencer.sound_strips(scene)
    assert len({item.channel for item in strips}) == 2


@needs_audio
def test_a_packed_sound_is_added_as_itself(addon: object, speech: Path, tmp_path: Path) -> None:
    sound = bpy.data.sounds.load(str(speech))
    sound.pack()
    copy = tmp_path / "packed.wav"
    copy.write_bytes(speech.read_bytes())
    sequencer.add_sound_strip(bpy.context.scene, str(copy), sound, 1)
    (found,) = sequencer.sound_strips(bpy.context.scene)
    assert found.sound == sound
    assert list(bpy.data.sounds) == [sound]


def test_a_speaker_starts_where_its_nla_strip_does(settings: Any, speech: Path, tmp_path: Path) -> None:
    bpy.context.scene.frame_set(33)
    bpy.ops.object.speaker_add()
    speaker = bpy.context.object
    settings.audio_source, settings.speaker = "SPEAKER", speaker
    with pytest.raises(DiffGestureError, match="has no sound"):
        resolve(settings, tmp_path)
    speaker.data.sound = bpy.data.sounds.load(str(speech))
    assert resolve(settings, tmp_path).frame == pytest.approx(33)
    speaker.animation_data_clear()
    assert resolve(settings, tmp_path).frame is None


@needs_audio
def test_a_format_that_the_backend_may_not_read_is_decoded(addon: object, speech: Path, tmp_path: Path) -> None:
    import aud

    matroska = tmp_path / "speech.mka"
    source = aud.Sound(str(speech))
    source.write(str(matroska), 16_000, 1, aud.FORMAT_S16, aud.CONTAINER_MATROSKA, aud.CODEC_PCM)
    clip = audio_source.decoded(audio_source.clip_from_path(matroska), tmp_path)
    assert clip.path.suffix == ".wav"
    assert clip.original == matroska
    assert clip.name == "speech"
    assert clip.path.stat().st_size == pytest.approx(speech.stat().st_size, abs=2 * 1024)  # a codec's block


def test_what_blender_cannot_decode_is_left_to_the_backend(tmp_path: Path) -> None:
    picture = tmp_path / "film.mp4"
    picture.write_bytes(b"no film at all")
    clip = audio_source.clip_from_path(picture)
    assert audio_source.decoded(clip, tmp_path) == clip
