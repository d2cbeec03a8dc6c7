"""States, provinces and districts that posts of disasters name and GeoNames' tables of cities do not hold.

A line each: country, latitude, longitude, reach in kilometres, then its names, the first as it is shown. Positions
are middles read off a map to a tenth or two of a degree, reaches about the radius of a circle as large.
"""

from __future__ import annotations

from typing import NamedTuple

_LINES = """
NP 28.0 84.63 40 Gorkha|Gorkha District
NP 27.95 85.9 40 Sindhupalchok|Sindhupalchowk
LK 6.7 80.4 40 Sabaragamuwa|Sabaragamuwa Province
LK 6.97 80.78 30 Nuwara Eliya District
IN 10.4 76.4 200 Kerala|केरल
IN 26.2 92.9 200 Assam|असम
IN 25.6 85.5 200 Bihar|बिहार
IN 20.5 84.4 220 Odisha|Orissa|ओडिशा
IN 30.1 79.2 130 Uttarakhand|उत्तराखंड
IN 31.8 77.3 130 Himachal Pradesh|हिमाचल प्रदेश|हिमाचल
IN 22.7 71.6 250 Gujarat|गुजरात
IN 11.0 78.4 200 Tamil Nadu
IN 23.8 87.7 200 West Bengal
IN 15.9 80.0 250 Andhra Pradesh
IN 19.6 76.1 300 Maharashtra|महाराष्ट्र
PK 26.0 68.8 220 Sindh
PK 28.3 65.8 330 Balochistan|Baluchistan
PK 34.8 72.2 180 Khyber Pakhtunkhwa
ID -7.0 107.6 110 West Java|Jawa Barat
ID 4.2 96.9 140 Aceh
ID -8.7 117.4 150 Nusa Tenggara Barat|West Nusa Tenggara
ID -1.3 121.0 200 Central Sulawesi|Sulawesi Tengah
ID -8.65 116.35 45 Lombok
PH 11.2 125.0 90 Leyte
PH 7.8 125.0 200 Mindanao
PH 16.5 121.0 220 Luzon
JP 37.3 136.9 50 Noto|Ishikawa|能登|能登半島|石川県
JP 32.6 130.8 60 Kumamoto Prefecture
JP 38.4 140.9 60 Miyagi
JP 37.4 140.3 70 Fukushima Prefecture
CN 30.6 102.7 350 Sichuan|四川|四川省
CN 33.9 113.6 220 Henan|河南|河南省
TR 36.4 36.2 50 Hatay
SY 35.9 36.6 50 Idlib Governorate
UA 48.0 37.8 110 Donetsk Oblast|Donbas
UA 46.6 33.2 110 Kherson Oblast
UA 49.5 36.4 110 Kharkiv Oblast
UA 45.3 34.4 110 Crimea|Крим|Криму|Крым|Крыму
MX 16.5 -92.5 160 Chiapas
MX 17.0 -96.5 180 Oaxaca State|estado de Oaxaca
MX 17.6 -99.8 150 Guerrero State|estado de Guerrero
CO 5.7 -76.7 130 Chocó|Choco
CO 2.5 -76.8 110 Cauca
PE -5.2 -80.3 110 Piura Region|región Piura
EC -1.0 -80.0 80 Manabí|Manabi
CL -37.5 -72.4 100 Biobío|Bío Bío
BR -29.7 -53.3 280 Rio Grande do Sul
AU -22.6 144.5 750 Queensland
AU -32.2 147.0 500 New South Wales|NSW
CA 54.5 -125.0 500 British Columbia
CA 54.9 -115.0 400 Alberta
ES 39.4 -0.6 85 Comunidad Valenciana|Comunitat Valenciana
IT 44.5 11.2 80 Emilia-Romagna|Emilia Romagna
DE 50.5 7.1 25 Ahrtal|Ahr Valley
GR 38.8 23.6 60 Evia|Εύβοια
MZ -19.0 34.7 130 Sofala
SD 13.0 24.5 300 Darfur|دارفور
ET 13.8 38.5 130 Tigray
IQ 35.5 45.3 90 Sulaymaniyah Governorate
IR 34.5 46.9 90 Kermanshah Province
MA 31.1 -8.2 50 Al Haouz|High Atlas|الحوز
ES 28.67 -17.86 25 La Palma|isla de La Palma
ES 38.3 -0.5 60 Alicante Province|provincia de Alicante
NP 30.0 82.2 60 Jajarkot
US 20.8 -156.4 40 Maui
YT -12.83 45.15 25 Mayotte
HT 18.45 -74.0 60 Tiburon Peninsula
JP 34.7 135.3 60 Hyogo|兵庫県
TW 23.75 121.35 50 Hualien County|花蓮縣
GR 39.4 22.7 60 Thessaly|Θεσσαλία|Pelion|Πήλιο
IN 11.6 76.1 35 Wayanad|वायनाड
IN 30.55 79.56 15 Joshimath|जोशीमठ
CN 31.4 103.6 40 Wenchuan|汶川|汶川县
PS 31.4 34.37 20 Gaza Strip|Gaza|غزة|قطاع غزة
"""


class Region(NamedTuple):
    """A coarse place: degrees WGS 84, how far it reaches in kilometres, and what it is called."""

    country: str
    latitude: float
    longitude: float
    reach_km: float
    names: tuple[str, ...]


def _read(line: str) -> Region:
    country, latitude, longitude, reach, names = line.split(" ", 4)
    return Region(country, float(latitude), float(longitude), float(reach), tuple(names.split("|")))


REGIONS = tuple(_read(line) for line in _LINES.strip().splitlines())
"""All of them."""
