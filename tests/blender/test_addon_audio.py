# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 (without bpy the file is skipped before it imports the add-on)
"""Where speech comes from: files, sounds, strips with their trimming, speakers."""

from pathlib import Path
from typing import Any

import pytest
from conftest import blender_has_audio
from sounds import babble, write_wav

bpy = pytest.importorskip("bpy")

from diffgesture_blender import compat
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
    sequencer.put_sound(scene, str(long_speech), None, 101, "")
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
    sequencer.put_sound(scene, str(speech), None, 7, "Ann")
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
def test_a_character_has_one_voice(addon: object, speech: Path, long_speech: Path) -> None:
    scene = bpy.context.scene

    def heard() -> list[tuple[str, float]]:
        return sorted(
            (Path(s.sound.filepath).name, compat.strip_ends(s)[0]) for s in sequencer.sound_strips(scene)
        )

    sequencer.put_sound(scene, str(speech), None, 5, "Ann")
    sequencer.put_sound(scene, str(speech), None, 5, "Ann")
    assert heard() == [(speech.name, 5)]
    sequencer.put_sound(scene, str(speech), None, 6, "Ann")  # another start frame
    assert heard() == [(speech.name, 6)]
    sequencer.put_sound(scene, str(long_speech), None, 6, "Ann")  # another file
    assert heard() == [(long_speech.name, 6)]
    sequencer.put_sound(scene, str(speech), None, 90, "Bob")
    assert heard() == [(speech.name, 90), (long_speech.name, 6)]
    assert len({strip.channel for strip in sequencer.sound_strips(scene)}) == 2


@needs_audio
def test_a_strip_of_the_users_own_is_not_doubled(addon: object, speech: Path) -> None:
    scene = bpy.context.scene
    top = compat.top_strips(scene.sequence_editor_create())
    top.new_sound(name="mine", filepath=str(speech), channel=1, frame_start=40)
    name, told = sequencer.put_sound(scene, str(speech), None, 1, "Ann")
    assert [strip.name for strip in sequencer.sound_strips(scene)] == ["mine"]
    assert name is None
    assert told is not None
    assert "from frame 40, the gestures begin at 1" in told
    assert sequencer.put_sound(scene, str(speech), None, 40, "Ann") == (None, None)


@needs_audio
def test_a_file_that_the_sequencer_plays_starts_there(settings: Any, speech: Path, tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.render.fps = 25
    top = compat.top_strips(scene.sequence_editor_create())
    strip = top.new_sound(name="mine", filepath=str(speech), channel=1, frame_start=40)
    settings.audio_source, settings.audio_path = "FILE", str(speech)
    assert resolve(settings, tmp_path).frame == pytest.approx(40)
    trim(strip, 50, 80)  # the file itself still begins at 40
    assert resolve(settings, tmp_path).frame == pytest.approx(40)


@needs_audio
def test_a_strip_in_a_meta_strip_is_heard_where_that_ends(strip: Any, settings: Any, tmp_path: Path) -> None:
    meta = compat.top_strips(bpy.context.scene.sequence_editor).new_meta(name="meta", channel=4, frame_start=101)
    strip.move_to_meta(meta)
    trim(meta, 101, 201)
    trim(meta, 151, 201)
    settings.strip_name = strip.name
    clip = resolve(settings, tmp_path)
    assert clip.frame == 151
    assert (clip.start, clip.end) == (pytest.approx(2.0), pytest.approx(4.0))
    assert clip.notes == ()
    meta.mute = True
    assert "meta is muted" in resolve(settings, tmp_path).notes[0]
    trim(meta, 10, 201)
    trim(meta, 10, 20)
    with pytest.raises(DiffGestureError, match="outside of its meta strip"):
        resolve(settings, tmp_path)


@needs_audio
def test_a_muted_strip_is_told(strip: Any, settings: Any, tmp_path: Path) -> None:
    assert resolve(settings, tmp_path).notes == ()
    bpy.context.scene.sequence_editor.channels[strip.channel].mute = True
    assert "channel" in resolve(settings, tmp_path).notes[0]
    strip.mute = True
    assert "is muted" in resolve(settings, tmp_path).notes[0]


def test_retiming_shows_in_the_length_where_its_keys_are_hidden() -> None:
    class Before45:
        """What a strip of Blender 4.2 to 4.4 shows: no ``retiming_keys``."""

        animation_offset_start = animation_offset_end = 0
        frame_duration = 250.0

    assert not compat.is_retimed(Before45(), 250.4)
    assert compat.is_retimed(Before45(), 500.0)
    assert not compat.is_retimed(Before45())


@needs_audio
def test_a_strip_of_another_scene_is_seen_through_the_strip_that_shows_the_shot(
    strip: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, shot = bpy.context.scene, bpy.data.scenes.new("Shot")
    shot.render.fps, shot.render.fps_base = 25, 1.0
    shot.frame_start, shot.frame_end = 1001, 1400
    monkeypatch.setattr(compat, "sequencer_scene", lambda _context: edit)
    bpy.context.window.scene = shot
    shot.diffgesture.audio_source = "STRIP"
    with pytest.raises(DiffGestureError, match="no strip that shows Shot"):
        resolve(shot.diffgesture, tmp_path)
    shot.diffgesture.use_frame_start = True
    assert resolve(shot.diffgesture, tmp_path).frame is None
    shot.diffgesture.use_frame_start = False
    shown = compat.top_strips(edit.sequence_editor).new_scene(name="shot", scene=shot, channel=3, frame_start=61)
    trim(shown, 76, 461)  # the shot is seen from its frame 1016 on
    assert resolve(shot.diffgesture, tmp_path).frame == pytest.approx(1001 + 101 - 61)
    shot.render.fps = 24
    with pytest.raises(DiffGestureError, match="different frame rates"):
        resolve(shot.diffgesture, tmp_path)


@needs_audio
def test_speakers_and_strips_are_heard_already(strip: Any, settings: Any, tmp_path: Path) -> None:
    assert resolve(settings, tmp_path).heard
    bpy.ops.object.speaker_add()
    speaker = bpy.context.object
    speaker.data.sound, speaker.data.muted = strip.sound, True
    settings.audio_source, settings.speaker = "SPEAKER", speaker
    clip = resolve(settings, tmp_path)
    assert clip.heard
    assert "muted" in clip.notes[0]


@needs_audio
def test_a_packed_sound_is_added_as_itself(addon: object, speech: Path, tmp_path: Path) -> None:
    sound = bpy.data.sounds.load(str(speech))
    sound.pack()
    copy = tmp_path / "packed.wav"
    copy.write_bytes(speech.read_bytes())
    sequencer.put_sound(bpy.context.scene, str(copy), sound, 1, "Ann")
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
