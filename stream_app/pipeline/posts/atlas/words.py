"""What GeoNames does not tell: other names of countries, famous places, and names that are mostly other words."""

from __future__ import annotations

from stream_app.pipeline.posts.atlas.fold import key_of


def _set(words: str) -> frozenset[str]:
    """The words, folded; ``|`` stands for a space."""
    return frozenset(key_of(word.replace("|", " ")) for word in words.split())


OTHER_NAMES = {
    "USA": "US", "UK": "GB", "UAE": "AE", "DRC": "CD", "Britain": "GB", "Great Britain": "GB", "England": "GB",
    "Scotland": "GB", "Northern Ireland": "GB", "Netherlands": "NL", "Burma": "MM", "Czech Republic": "CZ",
    "Turkiye": "TR", "Türkiye": "TR", "Cape Verde": "CV", "Palestine": "PS", "East Timor": "TL", "Timor-Leste": "TL",
    "Swaziland": "SZ", "Sao Tome": "ST", "Macau": "MO", "Bonaire": "BQ", "Bosnia": "BA", "Trinidad": "TT",
    "Côte d’Ivoire": "CI", "Antigua": "AG", "Barbuda": "AG", "DR Congo": "CD", "US Virgin Islands": "VI",
}  # fmt: skip
"""Country names that differ from GeoNames' and CLDR's, or that people write instead."""

FAMED = {2509954: 2_000_000}
"""GeoNames ids of places better known than their size says (Valencia in Spain), and the people they count as."""

ALSO_NAMED = {379252: ("الخرطوم",)}
"""Names that GeoNames' table lacks, by id."""

DROPPED = frozenset(["سيول", "هنا", "الان"])
"""Names, folded, that are another word altogether: floods (Seoul), here, now."""

ORDINARY = _set(
    """
    airport alexandra allen aloha along americana amos ann anna anthem archway armenia asia aurora austral bade bake
    barking bath batman bear bend bender best big|spring bima boom brandon brent bury carolina cary castro
    centennial central cerro chad chandler charlotte chelsea chester chico chinatown clay clinton cocoa columbia
    commonwealth concord constantine corona cypress dali darwin date deal delta derby douglas duncan eagle east|end
    eden edison elizabeth enterprise essen eugene everett fate federal fleet florence forest frank garland gary gent
    george georgia gilbert goes golden granada green green|valley guadalupe hagen halle hamm harrow harvey hassan
    henderson hero holiday home homestead honda hook hope horn humble hurricane independence irma irving jackson
    jena jersey jordan kara kathleen kennedy kent kira kitchener kuna kyle lafayette latina lend lens liberal
    liberty lincoln linda little|rock|city lopez los|banos luz magenta male manage mango marco maria mariana marina
    marion mark marks marshall martin martinez mary mascara mascot mason mercedes mesa metro midland midstream
    milton mine miranda mission mitchell mobile montgomery moore mora moreno most much murphy murray nada naga nancy
    nate nelson new|city new|hope newton nice nigel nikki nokia normal norman north|shore obama officer old|city
    olympic opportunity oral orange pace para paradise paramount parker paterson peer pereira perry pest pilar
    plantation police ponce poole porto preston providence quarters queens reading regina republic reservoir reunion
    rich richardson rivera rodriguez roman rosario roses rubio ruse saga sale salvador samba same sandy santa|claus
    santana santos savage semi serra shaping shoreline sofia south|hill south|river south|shore south|valley split
    spring springs stanley summit sunrise sunset surprise surrey sutton tank temple the|beaches the|colony
    the|crossings the|gap the|peak the|valley the|villages time tire tours toyota turkey tyler union
    united|states|minor|outlying|islands universidad university vaughan vera victoria vincent vista vladimir warren
    wayne wedding west|bay west|end west|hill west|hills west|park westminster wilson woodlands wright young
    """
)
"""Names, folded, of which the word is mostly a common word, a person or a storm; ``|`` stands for a space."""

BEFORE = _set(
    """
    in near at from around across outside inside reach hits hit reaches toward towards over central downtown east
    west north south northern southern eastern western en cerca desde hasta zona au aux près depuis vers sur dans em
    perto bei nahe aus nach von di vicino ad nel nella all dall nell dell verso presso ke dari sekitar kota
    kabupaten desa kecamatan в во у на під біля из із з зі до под около возле поблизу місто місті город городе
    городу село селі селе районе районі στη στην στο στον στις στους από προς κοντα في من الي قرب بالقرب مدينه بلده
    قريه محافظه منطقه ولايه
    """
)
"""Words before a place, folded: English, Spanish, French, Portuguese, German, Italian, Indonesian, Ukrainian, Russian,
Greek, Arabic. Those that stand before any word are left out."""

BEFORE_A = BEFORE | {"a", "na", "no", "sul", "en"}
"""The same for languages in which ``a`` stands before places, and is no article."""

SMALL_OTHERWISE = _set(
    """
    china chile turkey guinea jersey cuba mali male chad jordan georgia oman reading island
    """
)
"""Names, folded, that in small letters are other words."""

KINDS_OF_PLACE = _set(
    """
    bajo district province county town city village area region state hospital residents airport bridge river road
    harbour harbor suburb municipality valley island coast beach downtown prefecture station में से का के की को तक
    जिले जिला शहर गांव ili ilce ilcesi koyu sehri belediyesi
    """
)
"""Words after a place that say it is one."""

CRISIS = _set(
    """
    hit hits struck shaken rocked flood floods flooded flooding floodwater floodwaters earthquake quake quakes
    aftershock landslide landslides mudslide fire fires wildfire wildfires bushfire storm cyclone tornado tsunami
    hurricane typhoon eruption volcano avalanche evacuate evacuated evacuation evacuating underwater submerged
    victims attack attacks attacked explosion blast bombing collapsed collapse trapped stranded roof roofs rooftop
    rescue rescued rescuers missing dead killed injured drowned casualties shelter damage damaged destroyed disaster
    emergency relief donate boats boat help sos water homes houses levee dam burst inundacion inundaciones inundado
    inundada riada dana terremoto sismo temblor incendio incendios huracan tormenta deslizamiento deslave alud
    derrumbe muertos heridos desaparecidos atrapados rescate ayuda evacuados damnificados inondation inondations
    crue crues seisme tremblement incendie tempete glissement morts blesses disparus secours evacues sinistres
    enchente enchentes inundacao alagamento alagada terremoto deslizamentos mortos feridos ajuda hochwasser
    uberschwemmung uberflutung flut erdbeben brand waldbrand sturm tote verletzte vermisste hilfe alluvione
    terremoto frana incendio morti feriti dispersi soccorsi allagata allagato banjir gempa longsor kebakaran tewas
    korban hilang tolong bantuan mengungsi deprem sel yangin enkaz yardim enkazda olu yarali повінь наводнение потоп
    паводок підтоплення землетрус землетрясение пожежа пожар обстріл обстрел вибух взрыв удар загинули погибли
    поранені раненые завалами допомога помощь евакуація эвакуация ураган зсув оползень πλημμυρα πλημμυρες σεισμοσ
    φωτια πυρκαγια πυρκαγιεσ νεκροι αγνοουμενοι εγκλωβισμενοι βοηθεια εκκενωση فيضان فيضانات سيول زلزال حريق حرايق
    انفجار قتلي جرحي مفقودين عالقين نجده انقاذ اعصار غرق ضحايا قصف اغاثه عاجل बाढ़ भूकंप भूस्खलन आग तूफान चक्रवात
    मदद फंसे लापता मौत घायल राहत बचाव agua barro lodo eau wasser
    acqua air вода води 홍수 지진 산불 태풍 폭우 산사태 대피 구조 실종
    """
)
"""Words of disaster, folded: their being in a text speaks for its names being places."""

CRISIS_SIGNS = (
    "地震", "洪水", "津波", "台風", "台风", "颱風", "大雨", "暴雨", "火災",
    "火灾", "山火", "土砂", "滑坡", "避難", "浸水", "救助", "救援", "被害",
    "倒壊", "倒塌", "停電", "泥石流", "死亡", "失踪", "行方不明", "受伤", "被困",
    "氾濫", "噴火", "น้ำท่วม", "แผ่นดินไหว", "ไฟไหม้", "ช่วยด้วย",
)  # fmt: skip
"""The same in scripts that part no words."""

NOT_BEFORE = _set(
    """
    hurricane huracan typhoon cyclone storm president governor gov mayor senator sen judge mr mrs ms dr
    """
)
"""A name right after these is no place."""

GIVEN = _set(
    """
    abraham adam alex alexander andrew anna anthony barack ben bill bob brad charles chris daniel david denzel
    donald ed emily emma george henry isaac jack jacob james jane jason jennifer jim joe john jose joseph kate kevin
    laura lee louis lucy luis luke maria mark mary michael mike paul peter richard robert sam sarah scott simon
    steve thomas tim tom tony william ana juan carlos pedro jean pierre marie mohamed mohammed ahmed ali ivan olga
    """
)
"""First names, folded: a name after one is a person's."""

ALSO_GIVEN = _set(
    """
    adelaide alexandria austin brooklyn carolina charlotte chelsea dakota dallas florence georgia houston india
    ireland jackson jordan kingston lincoln london lourdes madison memphis milan orlando paris phoenix savannah
    sienna sofia sydney valencia victoria vienna virginia washington nancy regina
    """
)
"""Places whose names people are given; followed by another name they are a person's."""

FOLLOWS = _set(
    """
    and or after as on hit hits struck shaken under is are was were has have had today tonight now this last
    yesterday since with where while when by under needs need leaves kills killed says say said please right must
    for before during because but due y tras con hoy esta et apres e dan und nach heute
    """
)
"""Small words that may follow a place: another word there makes a doubtful name an adjective (``Mobile apps``)."""

DULL = _set(
    """
    the of a an and to is for you that it with this be are we our your they not all from have has had was were will
    can just so if my me he she his her them their what who how when there here about more out up down get got go
    going one de la el que y los las en un una por con del se le les des et du est une pour qui je nous vous il elle
    pas ne sur sa o os as do da dos das em no na nos nas um uma para com nao eu der die das und ich ist nicht ein
    eine den dem des von im mit zu auf es er sie wir yang dan di ini itu untuk dengan ada kami kita bir ve bu da ile
    icin che il lo gli per con una sono rt amp via good people now today very please some any only over after before
    into than then been
    """
)
"""Words that in small letters begin no name that anybody writes so."""
