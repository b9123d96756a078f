# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of words: what is compared, what sentences bring, every language, a table of one's own."""

from pathlib import Path

import numpy as np
import pytest
from diffgesture.composing.cues import CUES
from diffgesture.errors import ConfigError
from diffgesture.words.finder import find_cues as find
from diffgesture.words.tables import LANGUAGES, phrase_of, plain_parts, read_table, recognised, table
from diffgesture.words.transcript import Word


def spoken(text: str) -> list[Word]:
    return [Word(word, 0.4 * k, 0.4 * k + 0.3) for k, word in enumerate(text.split())]


def find_cues(words: list[Word], amount: float, seed: int = 0) -> list[tuple[str, float]]:
    return [(item.name, item.time) for item in find(words, table("en"), amount, seed)]


def test_words_bring_cues_and_the_amount_decides_how_many() -> None:
    text = spoken("Stop! I have never seen that. First, we shall go and walk everywhere in town. Who was that?")
    many = find_cues(text, 1.0)
    assert {"stop", "count_1", "all", "question"} <= {name for name, _ in many}
    assert find_cues(text, 0.0) == []
    assert len(find_cues(text, 0.3, seed=1)) < len(many)
    assert find_cues(text, 0.5, seed=7) == find_cues(text, 0.5, seed=7)
    assert min(np.diff([time for _, time in many])) >= 1.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_is_large_and_sound(language: str) -> None:
    found = table(language)
    assert len(found.phrases) >= (300 if language == "en" else 60)
    assert {row.cue for row in found.phrases.values()} >= set(CUES) - {"question", "point"}


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Hello! You should not do that. What is it?", ["greeting", "negation", "question"]),
        (
            "de",
            "Guten Morgen! Ich glaube nicht, dass ich das kann. Was ist das?",
            ["greeting", "negation", "question"],
        ),
        ("fr", "Bonjour ! Je ne sais pas. Qui est là ?", ["greeting", "uncertainty", "question"]),
        ("es", "Hola. ¿Qué es eso? No lo sé.", ["greeting", "question", "uncertainty"]),
        ("it", "Ciao. Non lo so. Che cosa è questo?", ["greeting", "uncertainty", "question"]),
        ("pt", "Bom dia. Eu não sei. O que você quer?", ["greeting", "uncertainty", "question"]),
        ("ja", "こんにちは。全く分かりません。誰ですか？", ["greeting", "uncertainty", "question"]),
        ("zh", "你好。他不知道。请等一下。", ["greeting", "uncertainty", "stop"]),
        ("hi", "नमस्ते। उसको पता नहीं। यह क्या है?", ["greeting", "uncertainty", "question"]),
        ("ar", "مرحبا. أنا لا أعرف. ماذا تريد؟", ["greeting", "uncertainty", "question"]),
    ],
)
def test_every_language_is_recognised_and_brings_its_cues(language: str, text: str, expected: list[str]) -> None:
    pieces = text.split() if language not in ("ja", "zh") else list(text)
    words = [Word(piece, 0.6 * k, 0.6 * k + 0.5) for k, piece in enumerate(pieces)]
    assert recognised(word.text for word in words) == language
    names = [item.name for item in find(words, table(language), 1.0)]
    assert [name for name in names if name in expected] == expected


def test_sentence_forms_bring_requests_commands_and_questions() -> None:
    def names(text: str) -> list[str]:
        return [
            name for name, _ in find_cues([Word(w, 0.8 * k, 0.8 * k + 0.7) for k, w in enumerate(text.split())], 1)
        ]

    assert names("Could you open the window?") == ["plea", "question"]
    assert names("Open the window.") == ["you"]
    assert names("Would you like tea?") == ["question"]
    assert names("Don't open it!")[0] == "you"


def test_words_with_hyphens_marks_and_other_scripts_are_compared_plainly() -> None:
    assert plain_parts("Tone-deaf,") == ["tone", "deaf"]
    assert plain_parts("DON\u2019T!") == ["don't"]
    assert plain_parts("नहीं।") == ["नहीं"], "signs of vowels belong to the word"
    assert tuple(plain_parts("أَنَا")) == phrase_of("أنا")
    assert plain_parts("你好！") == ["你", "好"]


def test_a_table_of_ones_own_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"entries": [{"cue": "no", "say": ["blimey", "you"]}]}', encoding="utf-8")
    both = table("en").with_own(read_table(path))
    assert [item.name for item in find(spoken("blimey"), both, 1.0)] == ["negation"]
    assert both.phrases[("you",)].cue == "negation"
    assert both.phrases[("please",)].cue == "plea"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "not valid JSON"),
        ("[]", "entries"),
        ('{"entries": [{"cue": "hovercraft", "say": ["x"]}]}', "entry 1.*hovercraft"),
        ('{"entries": [{"cue": "no", "say": "x"}]}', "entry 1.*a list"),
        ('{"entries": [{"cue": "no"}]}', "entry 1.*'say' is missing"),
        ('{"questions": "who"}', "a list"),
    ],
)
def test_a_table_that_is_none_is_told_with_its_entry(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read_table(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Can I make a reservation?"),
        ("en", "How about a drink?"),
        ("de", "Guten Morgen!"),
        ("fr", "S'il te plaît, attends."),
        ("es", "Es muy grande."),
        ("it", "Dove sei?"),
        ("pt", "Onde você está?"),
    ],
)
def test_a_short_sentence_tells_its_language(language: str, text: str) -> None:
    assert recognised(text.split()) == language
