# ruff: noqa: RUF001 - the samples are in many languages
"""The estimator: its bounds for any text, and its error for texts of known token counts."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customgroqchat._token_estimator import estimate_tokens

# Texts written for this test, none of which the weights were fitted to, with their number of
# tokens in o200k_base.
SAMPLES = {
    "english": (
        50,
        (
            "The quick answer is that light of short wavelengths is scattered more than light "
            "of long ones, so the sky looks blue from the ground. Towards the evening the light "
            "takes a longer way through the air, and what is left of it is mostly red."
        ),
    ),
    "german": (
        45,
        (
            "Kurz gesagt wird Licht kurzer Wellenlänge stärker gestreut als Licht großer Wellenlä"
            "nge, deshalb sieht der Himmel vom Boden aus blau aus. Gegen Abend legt das Licht "
            "einen längeren Weg durch die Luft zurück."
        ),
    ),
    "turkish": (
        59,
        (
            "Kısaca söylemek gerekirse, kısa dalga boylu ışık uzun dalga boylu ışıktan daha "
            "çok saçılır; bu yüzden gökyüzü yerden bakıldığında mavi görünür. Akşama doğru "
            "ışık havada daha uzun bir yol alır."
        ),
    ),
    "polish": (
        66,
        (
            "Krótko mówiąc, światło o krótkiej fali rozprasza się silniej niż światło o długiej "
            "fali, dlatego niebo oglądane z ziemi jest niebieskie. Pod wieczór światło przebywa "
            "w powietrzu dłuższą drogę."
        ),
    ),
    "russian": (
        49,
        (
            "Короче говоря, свет с короткой длиной волны рассеивается сильнее, чем свет с большой"
            " длиной волны, поэтому небо с земли кажется голубым. К вечеру свет проходит через "
            "воздух более длинный путь."
        ),
    ),
    "arabic": (
        50,
        (
            "باختصار، يتشتت الضوء ذو الموجات القصيرة أكثر من الضوء ذي الموجات الطويلة، ولذلك "
            "تبدو السماء زرقاء من الأرض. وعند المساء يقطع الضوء طريقا أطول عبر الهواء."
        ),
    ),
    "chinese": (
        57,
        (
            "简单来说,短波长的光比长波长的光更容易被散射,所以从地面上看天空是蓝色的。到了傍晚,光线要在空气中走更长的路,剩下的大多是红色。"
        ),
    ),
    "japanese": (
        61,
        (
            "簡単に言えば、波長の短い光は波長の長い光よりも強く散乱されるので、地上から見ると空は青く見えます。夕方になると、光は空気の中をより長く進みます。"
        ),
    ),
    "korean": (
        59,
        (
            "간단히 말하면 파장이 짧은 빛은 파장이 긴 빛보다 "
            "더 많이 흩어지기 때문에 땅에서 보면 하늘이 파랗게 보입니다. "
            "저녁이 되면 빛은 공기 속을 더 오래 지나갑니다."
        ),
    ),
    "hindi": (
        56,
        (
            "संक्षेप में, छोटी तरंगदैर्ध्य का प्रकाश लंबी तरंगदैर्ध्य के प्रकाश से अधिक बिखरता "
            "है, इसलिए धरती से आकाश नीला दिखाई देता है। शाम को प्रकाश हवा में अधिक लंबा रास्ता "
            "तय करता है।"
        ),
    ),
    "python": (
        93,
        (
            "def scatter(wavelengths, exponent=-4.0):\n"
            '    """Return the relative strength for each wavelength, in nanometres."""\n'
            "    strengths = {}\n"
            "    for nm in wavelengths:\n"
            "        if nm <= 0:\n"
            '            raise ValueError(f"no such wavelength: {nm!r}")\n'
            "        strengths[nm] = (nm / 550.0) ** exponent\n"
            "    return dict(sorted(strengths.items(), key=lambda item: item[1]))\n"
        ),
    ),
    "json": (
        63,
        (
            '{"model":"sky-1","messages":[{"role":"user","content":"Why is it blue?"}],"temperatu'
            're":0.2,"stop":["\\n\\n"],"metadata":{"user_id":48213,"tags":["weather","optics"],'
            '"nested":{"ok":true,"score":null}}}'
        ),
    ),
    "numbers": (
        59,
        (
            "12 3456 789012 3.14159 2026-11-22 10:45:07 1000000 42 7 65536 0.001 99.95 8080 "
            "127 255 1024 4096 31"
        ),
    ),
    "log": (
        79,
        (
            "2026-11-22T10:45:07.123Z INFO [worker-3] request finished id=48213 path=/v1/users/42"
            " status=200 dur=87ms\\n2026-11-22T10:45:08.004Z WARN [worker-1] retry in 2.5s after "
            "connection reset by peer id=48214"
        ),
    ),
}


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(), min_size=1))
def test_is_between_one_and_the_number_of_bytes(text):
    size = len(text.encode("utf-8", "surrogatepass"))
    assert 1.0 <= estimate_tokens(text) <= size


def test_nothing_costs_nothing():
    assert estimate_tokens("") == 0.0


@pytest.mark.parametrize("text", [" ", "a", "\ud800", "\x00", "é", "日"])
def test_a_character_is_at_least_a_token(text):
    assert estimate_tokens(text) >= 1.0


@pytest.mark.parametrize("name", SAMPLES)
def test_error_of_a_short_text(name):
    tokens, text = SAMPLES[name]
    assert -0.15 < estimate_tokens(text) / tokens - 1 < 0.30


def test_mean_error_of_short_texts():
    errors = [abs(estimate_tokens(text) / tokens - 1) for tokens, text in SAMPLES.values()]
    assert sum(errors) / len(errors) < 0.10


def test_a_text_said_twice_costs_about_twice():
    _, text = SAMPLES["english"]
    assert estimate_tokens(f"{text} {text}") == pytest.approx(2 * estimate_tokens(text), rel=0.02)


def test_repetition_is_never_free():
    """A line of 80 equal signs is one token, and hardly anything is cheaper by the character."""
    units = [
        "".join(unit) for size in (1, 2, 3, 4) for unit in product('atzA0 \t\n."(-+', repeat=size)
    ]
    cheapest = min(units, key=lambda unit: estimate_tokens(unit * 300) / len(unit))
    assert estimate_tokens(cheapest * 300) >= 300 * len(cheapest) / 110, repr(cheapest)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        (" " * 2_000_000, 10_000, 40_000),
        ("a" * 1_000_000, 100_000, 1_000_000),
        ("=" * 100_000, 1_000, 20_000),
        ("1234567890" * 10_000, 33_000, 50_000),
    ],
    ids=["spaces", "letters", "line", "digits"],
)
def test_endless_runs_are_never_counted_too_low(text, least, most):
    assert least <= estimate_tokens(text) <= most
