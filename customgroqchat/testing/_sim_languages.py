"""The languages that are transcribed: they are asked for by code, and answered by name."""

from __future__ import annotations

_PAIRS = """
af:Afrikaans am:Amharic ar:Arabic as:Assamese az:Azerbaijani ba:Bashkir be:Belarusian
bg:Bulgarian bn:Bengali bo:Tibetan br:Breton bs:Bosnian ca:Catalan cs:Czech cy:Welsh da:Danish
de:German el:Greek en:English es:Spanish et:Estonian eu:Basque fa:Persian fi:Finnish fo:Faroese
fr:French gl:Galician gu:Gujarati ha:Hausa haw:Hawaiian he:Hebrew hi:Hindi hr:Croatian
ht:Haitian hu:Hungarian hy:Armenian id:Indonesian is:Icelandic it:Italian ja:Japanese
jv:Javanese ka:Georgian kk:Kazakh km:Khmer kn:Kannada ko:Korean la:Latin lb:Luxembourgish
ln:Lingala lo:Lao lt:Lithuanian lv:Latvian mg:Malagasy mi:Maori mk:Macedonian ml:Malayalam
mn:Mongolian mr:Marathi ms:Malay mt:Maltese my:Myanmar ne:Nepali nl:Dutch nn:Nynorsk
no:Norwegian oc:Occitan pa:Punjabi pl:Polish ps:Pashto pt:Portuguese ro:Romanian ru:Russian
sa:Sanskrit sd:Sindhi si:Sinhala sk:Slovak sl:Slovenian sn:Shona so:Somali sq:Albanian
sr:Serbian su:Sundanese sv:Swedish sw:Swahili ta:Tamil te:Telugu tg:Tajik th:Thai tk:Turkmen
tl:Tagalog tr:Turkish tt:Tatar uk:Ukrainian ur:Urdu uz:Uzbek vi:Vietnamese yi:Yiddish
yo:Yoruba yue:Cantonese zh:Chinese
"""
_NAMES = dict(pair.split(":") for pair in _PAIRS.split())


def language_name(code: str) -> str | None:
    """The English name of a language, given by its code or by that name; None if unknown."""
    name = code.capitalize()
    return _NAMES.get(code.lower()) or (name if name in _NAMES.values() else None)
