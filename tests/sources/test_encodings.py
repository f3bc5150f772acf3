"""Files in the encodings of Windows, Mac and DOS: decoded right, or refused with the right one."""

import random
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import SourceError, SourceRow
from cleverreach_async.sources import read_csv
from cleverreach_async.sources.double_encoding import Suspects
from cleverreach_async.sources.encodings import RunCounts, candidates, find_utf8


def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


GERMAN: Final = words(
    "Müller Jürgen Köln Straße Weißenburg Größe Björn Österreich Überlingen Ärzte Schäfer Strauß"
    " Grün Göppingen Lüdenscheid Jäger Schröder Fußball Günther MÜLLER GRÖSSE Änne Döhn Nürnberg"
)
FRENCH: Final = words(
    "Hélène François Noël Benoît Élodie Gérard Crépin Château Théo Joël Maëlle Anaïs Lefèvre"
    " Besançon Orléans Évreux Forêt Frédérique Désirée André Léa Chloé Jérôme Hervé Agnès"
)
SCANDINAVIAN: Final = words(
    "Sørensen Jørgen Åse Bjørn Kjær Østergaard Malmö Göteborg Västerås Håkan Sjöberg Lindström"
    " Ålesund Tromsø Hämäläinen Mäkinen Jyväskylä Åkesson Ærø Nordström Bäckman Håvard Tønsberg"
)
SOUTHERN: Final = words(
    "Muñoz García Sánchez González Núñez João Conceição Simões Niccolò Città Forlì María Peña"
    " Ramón Martín Íñigo Araújo Gonçalves Guimarães Perù Suárez Gómez Cádiz Belém Sebastião"
)
POLISH: Final = words(
    "Łukasz Kraków Wójcik Świątek Żółkiewski Dąbrowska Gdańsk Poznań Wałęsa Kowalczyński Łódź"
    " Częstochowa Jabłoński Zając Woźniak Pawłowski Michał Stanisław Rzeszów Błażej Bydgoszczą"
)
CZECH: Final = words(
    "Dvořák Novotný Černý Růžička Kučera Jiří Němec Svobodová Procházka Plzeň Tomáš Kříž Horáček"
    " Veselý Šimková Žižka Ondřej Jaroměř Třebíč Hruška Březina Česká Zdeněk Matěj Kateřina"
)
TURKISH: Final = words(
    "Yılmaz Şahin Özdemir Çelik Doğan Kılıç Aydın Yıldız Erdoğan Güneş Işık Şimşek Çakır Tuğba"
    " İzmir Eskişehir Ağrı Diyarbakır Bağcılar Koç Uğur Kırşehir Altıntaş Özgür İbrahim Ayşe"
)
RUSSIAN: Final = words(
    "Иванов Пётр Сидоров Екатерина Москва Жуков Щербаков Анна Юрий Чехов Королёв Фёдор Яковлев"
    " Кузнецов Павел Дмитрий Ольга Цветаева Эльвира Хабаровск Смирнов Новосибирск"
)
WESTERN: Final = (GERMAN, FRENCH, SCANDINAVIAN, SOUTHERN)

OTHERS: Final = (
    *((names, encoding) for names in WESTERN for encoding in ("mac_roman", "cp850")),
    (GERMAN, "cp437"),
    *((names, encoding) for names in (POLISH, CZECH) for encoding in ("cp1250", "iso8859-2")),
    (POLISH, "cp852"),
    (CZECH, "cp852"),
    (TURKISH, "cp1254"),
    (TURKISH, "iso8859-9"),
    (TURKISH, "cp857"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "koi8-r"),
    (RUSSIAN, "cp866"),
)
SIZES: Final = (3, 5, 20, 300, 5000)


def file_of(names: list[str], encoding: str) -> bytes:
    """A file with a name in every row."""
    rows = "".join(f"n{i}@example.org;{name};Ann\r\n" for i, name in enumerate(names))
    return f"E-Mail;Nachname;Vorname\r\n{rows}".encode(encoding)


def named(content: bytes) -> list[str]:
    """The encodings with which a file is refused; none if it is Windows-1252."""
    counts = RunCounts()
    counts.add(content)
    return [name for candidate in candidates(counts) for name in candidate.names]


def names_of(path: Path, encoding: str | None = None) -> list[str]:
    """Read the last names of a file."""
    rows = [row for row in read_csv(path, encoding=encoding) if isinstance(row, SourceRow)]
    return [str((row.receiver.global_attributes or {})["lastname"]) for row in rows]


@pytest.mark.parametrize("name", [name for names in WESTERN for name in names])
def test_one_western_name_is_never_refused(name: str) -> None:
    """A file may have a single letter outside of ASCII."""
    content = file_of([name], "cp1252")
    assert [] == named(content)
    assert [] == find_utf8(content, ["cp1252"])


@given(st.lists(st.sampled_from([name for names in WESTERN for name in names]), min_size=1))
def test_western_names_are_never_refused(names: list[str]) -> None:
    """Names of several languages in one file."""
    content = file_of(names, "cp1252")
    assert [] == named(content)
    assert [] == find_utf8(content, ["cp1252"])


@pytest.mark.parametrize(
    "text",
    [
        "„Spaß“ und „KÄ“",
        "“Muster” ‘Ö’ »Grün« – 20 m²",
        "Rock´n´Roll, Schmitt´s, O’Brien, L’Oréal, aujourd’hui, D’Angelo",
        "49,90 € / £ 5 / 30 ° / § 5 / 2½ / 50 µg",
        "äöü ÄÖÜß",
        "CAFÉ® Coca™ †2020 …und ©",
        "Jean\xa0Paul 5\xa0€",
        "BLÅ” SKÅ…",
        "œuvre HAŸ Œuvres Eng.º",
        "paral·lel Nº 5 1ª",
    ],
)
def test_signs_of_western_text_are_accepted(text: str) -> None:
    """Quotes, currencies and the like, as word processors and people type them."""
    content = file_of([text], "cp1252")
    assert [] == named(content)
    assert [] == find_utf8(content, ["cp1252"])


@pytest.mark.parametrize(("names", "encoding"), OTHERS)
@pytest.mark.parametrize("size", SIZES)
def test_no_file_is_read_in_a_wrong_encoding(names: list[str], encoding: str, size: int) -> None:
    """Refused with the right encoding, unless Windows-1252 gives the same text."""
    choose = random.Random(size)
    for _ in range(max(1, 40 // size)):
        rows = choose.choices(names, k=size)
        content = file_of(rows, encoding)
        found = named(content)
        is_same = content.decode("cp1252", "replace") == content.decode(encoding)
        assert encoding in found or (is_same and found == []), (rows[:3], found)
        assert [] == find_utf8(content, ["cp1252", encoding])


def test_a_mac_file_is_refused_with_its_encoding(tmp_path: Path) -> None:
    """The letters of each choice are shown, and no whole value."""
    path = tmp_path / "customers.csv"
    path.write_bytes("E-Mail;Nachname\rann@example.org;Jürgen-Köln\r".encode("mac_roman"))
    with pytest.raises(SourceError) as caught:
        read_csv(path)
    message = str(caught.value)
    assert 'encoding="mac_roman" or --encoding mac_roman' in message
    assert "mac_roman or mac_latin2 (ü ö)" in message
    assert "rgen" not in message
    assert caught.value.line == 2
    assert names_of(path, "mac_roman") == ["Jürgen-Köln"]


def test_a_dos_file_is_refused_with_its_encoding(tmp_path: Path) -> None:
    """And read right, and resumed at the byte, with the encoding named."""
    path = tmp_path / "customers.csv"
    path.write_bytes(
        "E-Mail;Nachname\r\nann@example.org;Jörg\r\nb@example.org;Straße\r\n".encode("cp850")
    )
    with pytest.raises(SourceError, match=r'encoding="cp850".* \(ö ß\)'):
        read_csv(path)
    assert names_of(path, "cp850") == ["Jörg", "Straße"]
    source = read_csv(path, encoding="cp850")
    next(iter(source))
    assert source.tell() == {"byte": 39, "line": 3}


def test_the_euro_sign_of_iso_8859_15_is_recognised(tmp_path: Path) -> None:
    """As Windows-1252 it is a sign that nobody types."""
    path = tmp_path / "customers.csv"
    path.write_bytes("E-Mail;Nachname\nann@example.org;Jörg 49,90 €\n".encode("iso8859-15"))
    with pytest.raises(SourceError, match=r'encoding="iso8859-15".*€'):
        read_csv(path)
    assert names_of(path, "iso8859-15") == ["Jörg 49,90 €"]


@pytest.mark.parametrize("stray", ["Łódź", "Müller", "5 €", "Привет", "😀", "Zoë–Ann"])
def test_any_utf_8_beside_windows_1252_is_a_mixture(tmp_path: Path, stray: str) -> None:
    """With the line of the text that is in the minority."""
    path = tmp_path / "customers.csv"
    rows = "b@example.org;Jörg\r\n" * 20
    stray_row = f"c@example.org;{stray}\r\n"
    path.write_bytes(b"E-Mail;Nachname\r\n" + rows.encode("cp1252") + stray_row.encode())
    with pytest.raises(SourceError, match="two encodings are mixed") as caught:
        read_csv(path)
    assert caught.value.line == 22
    path.write_bytes(b"E-Mail;Nachname\r\n" + stray_row.encode() * 3 + rows[:20].encode("cp1252"))
    with pytest.raises(SourceError, match="two encodings are mixed") as caught:
        read_csv(path)
    assert caught.value.line == 5


@pytest.mark.parametrize(
    "name", [name for names in (*WESTERN, POLISH, CZECH, TURKISH, RUSSIAN) for name in names]
)
def test_a_name_encoded_twice_is_found(name: str) -> None:
    """Whatever the program took UTF-8 for; and the name itself is not suspected."""
    for encoding in ("cp1252", "latin-1", "mac_roman", "cp850"):
        suspects = Suspects()
        twice = "".join(
            bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in name.encode()
        )
        suspects.add(f"ann@example.org;{twice};Kiel\n".encode())
        assert suspects.first is not None, twice
    suspects = Suspects()
    suspects.add(f"ann@example.org;{name};„{name}“ {name.upper()}® {name}’s\n".encode())
    assert suspects.first is None


@pytest.mark.parametrize(
    "text",
    ["SÃO CAMÕES IRMÃ", "NGUYỄN Ã Â", "Â, Ä – Å", "„KÄ“ Ä…", "BAÑOS® Ñ™", "√4 ├── x", "ÃO Ô"],
)
def test_words_that_look_encoded_twice_are_accepted(text: str) -> None:
    """Capitals of Portuguese, Vietnamese and Swedish, beside letters and signs."""
    suspects = Suspects()
    suspects.add(f"ann@example.org;{text};Kiel\n".encode())
    assert suspects.first is None


def test_text_that_was_encoded_twice_is_refused(tmp_path: Path) -> None:
    """Unless the encoding is named: then the text is taken as it is."""
    path = tmp_path / "customers.csv"
    twice = "Müller".encode().decode("cp1252")
    for mark in ("", "\ufeff"):
        path.write_bytes(f"{mark}E-Mail;Nachname\na@x.example;Ann\nb@x.example;{twice}\n".encode())
        with pytest.raises(SourceError, match=r"encoded twice, 'Ã¼' for 'ü'.*--encoding") as caught:
            read_csv(path)
        assert caught.value.line == 3
        assert names_of(path, "utf-8") == ["Ann", "MÃ¼ller"]


def test_double_encoding_is_found_across_two_reads() -> None:
    """The letters may be cut by the end of a part."""
    content = "ann@example.org;MÃ¼ller\n".encode()
    for cut in range(1, len(content)):
        suspects = Suspects()
        suspects.add(content[:cut])
        suspects.add(content[cut:])
        assert suspects.first is not None
        assert suspects.first.offset == content.index(b"\xc3\x83")
