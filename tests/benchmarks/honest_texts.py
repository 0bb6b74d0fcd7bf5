"""Texts that look like those of daily life, each different, made of a list of words; always the same for one seed."""

from __future__ import annotations

import base64
import json
import random

WORDS = tuple(
    """
    the of and to in a is that for it as was with be by on not he but at are this have from or had an they which
    one you were all her she there would their we him been has when who will no more if out so said what up its
    about than into them can only other time new some could these two may first then do any like my now over such
    our man even most made after also did many off before must well back through years where much your way down
    should because long each just state people too little good make very year still see own work men day get here
    old life both between under three never know same last another while us might great go come since against
    right came take used himself few house place during high without again home around small however found part
    school thought went say general once upon every hotel garden breakfast station guest arrives kitchen train
    museum harbour river mountain engine invoice contract payment delivery customer report analysis temperature
    protein measurement algorithm software release network meeting quarter revenue forecast market energy climate
    policy research university hospital
    """.split()  # noqa: SIM905 - a list of words
)
NAMES = tuple(
    """
    Anna Berg Carlos Diaz Elena Fischer George Hill Ines Jansen Karl Lopez Maria Novak Oliver Petrov
    """.split()  # noqa: SIM905 - a list of words
)
RUSSIAN = tuple(
    """
    и в не на я быть он с что а по это она этот к но они мы весь который из город дело слово дом вода сад
    """.split()  # noqa: SIM905 - a list of words
)
CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可"
    "也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经"
)


class Writer:
    """Writes one text after the other.

    Args:
        seed: Of its random numbers.
    """

    def __init__(self, seed: int = 5) -> None:
        self.random = random.Random(seed)

    def word(self) -> str:
        return self.random.choice(WORDS)

    def sentence(self) -> str:
        words = [self._word() for _ in range(self.random.randint(6, 22))]
        return " ".join(words).capitalize() + self.random.choice("....?!:")

    def _word(self) -> str:
        word, kind = self.word(), self.random.randrange(200)
        forms = {
            0: f"{self.random.choice(NAMES)} {self.random.choice(NAMES)}",
            1: str(self.random.randint(1, 3000)),
            2: f"{self.random.randint(1, 99)}.{self.random.randint(0, 9)}%",
            3: f"https://www.{word}-{self.word()}.example/{self.word()}?id={self.random.randint(1, 9999)}",
            4: f'"{word}"',
            5: f"({word})",
            6: f"{word}'s",
            7: f"{word}-{self.word()}",
            8: f"{word};",
        }
        return forms.get(kind // 2, f"{word}," if kind > 185 else word)

    def fill(self, size: int, piece, gap: str = " ") -> str:
        pieces: list[str] = []
        length = 0
        while length < size:
            pieces.append(piece())
            length += len(pieces[-1]) + len(gap)
        return gap.join(pieces)[:size]

    def prose(self, size: int = 2048) -> str:
        return self.fill(size, lambda: " ".join(self.sentence() for _ in range(4)), "\n\n")

    def accents(self, size: int = 2048) -> str:
        return self.prose(size).replace("ou", "oü").replace("'", "’").replace("-", "–")

    def base64_of_text(self, size: int = 2048) -> str:
        return f"{self.prose(300)} {base64.b64encode(self.prose(size).encode()).decode()}"[:size]

    def base64_of_bytes(self, size: int = 2048) -> str:
        return f"{self.prose(300)}\n{base64.encodebytes(self.random.randbytes(size)).decode()}"[:size]

    def html(self, size: int = 2048) -> str:
        return self.fill(size, self._element, "\n")

    def _element(self) -> str:
        link = f'<a href="/{self.word()}?x={self.random.randint(1, 99)}&amp;y=2">{self.word()}</a>'
        items = f"<ul><li>{self.sentence()}</li><li>{self.sentence()}</li></ul>"
        text = f"<p>{self.sentence()} {link} &amp; {self.sentence()}</p>"
        return f'<div class="{self.word()}"><h2>{self.sentence()}</h2>\n{text}\n{items}</div>'

    def markdown(self, size: int = 2048) -> str:
        return self.fill(size, self._section, "\n\n")

    def _section(self) -> str:
        marked = f"**{self.word()}** [{self.word()}](https://e.example/{self.word()}) `{self.word()}_{self.word()}`"
        return f"## {self.sentence()}\n\n{self.sentence()} {marked}\n\n- {self.sentence()}\n- {self.sentence()}"

    def json(self, size: int = 2048) -> str:
        rows = [self._row() for _ in range(size // 170)]
        return json.dumps(rows, indent=2)

    def _row(self) -> dict[str, object]:
        return {"id": self.random.randint(1, 10**6), "note": self.sentence(), "tags": [self.word(), self.word()]}

    def code(self, size: int = 2048) -> str:
        return self.fill(size, self._function, "\n\n")

    def _function(self) -> str:
        first, second, third = self.word(), self.word(), self.word()
        return (
            f"def {first}_{second}({second}, {third}=None):\n    # {self.sentence()}\n"
            f"    if {second} is None or {third} != {self.random.randint(1, 99)}:\n"
            f'        raise ValueError(f"{first} {{{second}}}")\n    return {{"{first}": {second}[0]}}'
        )

    def russian(self, size: int = 1100) -> str:
        return self.fill(size, lambda: " ".join(self.random.choices(RUSSIAN, k=9)).capitalize() + ".")

    def chinese(self, size: int = 700) -> str:
        return self.fill(size, lambda: "".join(self.random.choices(CHINESE, k=12)), "，")


KINDS = (
    *("prose", "accents", "html", "markdown", "json", "code"),
    *("russian", "chinese", "base64_of_text", "base64_of_bytes"),
)
