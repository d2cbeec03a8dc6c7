"""What kind of author wrote a post, where the profile or the text says so: official, media, aid group, eyewitness.

The kinds are those of Olteanu, Vieweg and Castillo, "What to Expect When the Unexpected Happens" (CSCW 2015), without
the two that nothing tells (business, outsiders). A wrong kind misleads more than none, so each needs a name that only
such an author bears, X's own mark of governments (``verified_type``), or a domain that only a government can have; and
an eyewitness says in the first person that it happens to them or before their eyes (Zahra, Imran and Ostermann,
"Automatic identification of eyewitness messages on Twitter during disasters", 2020), in words that are not quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from stream_app.pipeline.posts.facts import string
from stream_app.pipeline.posts.post import AuthorKind

_LOOK_AT = 500
_NOT_REALLY = re.compile(
    r"\b(?:parod\w*|fan|fans|fake|satir\w*|unofficial|not affiliated|no oficial|non officiel\w*|inoffiziell\w*|"
    r"non ufficiale|não oficial|неофіційн\w*|неофициальн\w*|tribute|memes?|roleplay|rp)\b"
)
_GOVERNMENT = re.compile(
    r"[\w-]\.(?:(?:gov|mil)|(?:gov|govt|gob|gouv|go|gub|mil|gc|gv)\.[a-z]{2}|bund\.de|admin\.ch|europa\.eu)$"
)
_OFFICIAL = re.compile(
    r"""\b(?:
    (?:police|sheriff'?s?|fire|emergency\ management|health)\ (?:dept|department|office|service|authority|brigade)|
    fire\ (?:&|and)\ rescue|coast\ ?guard|civil\ (?:protection|defen[cs]e)|national\ weather\ service|met\ office|
    disaster\ management\ (?:centre|center|authority|agency)|emergency\ management|ministry\ of|government\ of|
    (?:city|county|municipality|town)\ of|protecci[oó]n\ civil|ministerio\ de|ayuntamiento\ de|alcald[ií]a\ de|
    gobierno\ de|
    guardia\ civil|polic[ií]a\ (?:nacional|local|municipal|foral)|bomberos\ (?:de|del|voluntarios)|
    defensa\ civil\ (?!siria)\w|
    minist[eè]re\ d\w+|pr[ée]fet\ d\w+|pr[ée]fecture\ d\w+|mairie\ d\w+|s[ée]curit[ée]\ civile|gendarmerie\ nationale|
    sapeurs[-\ ]pompiers|m[ée]t[ée]o[-\ ]france|bundesministerium|polizei\ \w|feuerwehr\ \w|stadt\ \w+\ \(?offiziell|
    katastrophenschutz|deutscher\ wetterdienst|protezione\ civile|vigili\ del\ fuoco|comune\ di|prefettura\ di|
    defesa\ civil|prote[cç][aã]o\ civil|corpo\ de\ bombeiros|prefeitura\ (?:de|do|da)|bpbd\ \w|bnpb|bmkg|basarnas|
    afad|valili[gğ]i|belediyesi|дснс|мчс|міністерство|министерство|національна\ поліція|міська\ рада|
    وزارة\ \w+|الدفاع\ المدني(?!\ السوري)
    )|(?:消防局|消防庁|消防本部|警察署|警察本部|県警|警視庁|気象庁|防災局|市役所|区役所)$""",
    re.VERBOSE,
)
_MEDIA = re.compile(
    r"""^(?:bbc|cnn|reuters|afp|the\ associated\ press|ap|efe|dpa|ansa|al\ ?jazeera|nhk|kyodo|rtve|rai|ard|zdf|orf|srf|
    npr|sky|fox|abc|nbc|cbs|itv|tv5monde|france\ ?(?:24|info)|le\ monde|le\ figaro|lib[ée]ration|el\ pa[ií]s|el\ mundo|
    la\ vanguardia|
    la\ repubblica|corriere\ della\ sera|der\ spiegel|tagesschau|die\ zeit|the\ guardian|the\ new\ york\ times|
    the\ washington\ post|folha|globo|g1|суспільне|українська\ правда|укрінформ|kompas|detikcom|hürriyet|anadolu)
    (?:\ (?:news|breaking|world|noticias|nachrichten|новини|alerts?|live|brasil|indonesia|en\ español|english|arabic|
    online))*$|
    \b(?:daily\ (?:news|mail|mirror|times|herald|telegraph|star)|evening\ (?:news|standard)|(?:morning|
    local)\ news\ \w|
    news\ agency|radio\ \w+\ fm|tv\ news|channel\ \d+\ news|news\ ?(?:channel\ )?\d+|agencia\ de\ noticias|
    agence\ de\ presse|
    (?:herald|tribune|gazette|courier|chronicle)\ (?:news|online))\b|\w\ (?:herald|tribune|gazette)$|新聞$|テレビ$""",
    re.VERBOSE,
)
_JOURNALIST = re.compile(
    r"""(?:^|[.|,;•·/>\n]\s*)(?:(?:senior|chief|foreign|staff|local|freelance|independent|award-winning|
    investigative)\ )*
    (?:journalist|reporter|correspondent|newspaper|broadcaster|news\ (?:agency|channel|editor|producer)|
    periodista|reportera?|corresponsal|diario\ digital|peri[oó]dico|journaliste|quotidien\ r[ée]gional|
    journalistin|korrespondent(?:in)?|tageszeitung|giornalista|quotidiano|jornalista|журналіст(?:ка)?|
    журналист(?:ка)?|
    gazeteci|muhabir|jurnalis|wartawan|صحفي|صحفية)\b""",
    re.VERBOSE,
)
_AID = re.compile(
    r"""\b(?:red\ cross|red\ crescent|cruz\ roja|croix[-\ ]rouge|rotes\ kreuz|croce\ rossa|cruz\ vermelha|
    червоний\ хрест|
        красный\ крест|червоного\ хреста|k[ıi]z[ıi]lay|palang\ merah|unicef|unhcr|unocha|ocha|world\ food\ programme|
    m[ée]decins\ sans\ fronti[èe]res|doctors\ without\ borders|m[ée]dicos\ sin\ fronteras|msf|oxfam|
    save\ the\ children|
    care\ international|c[áa]ritas|islamic\ relief|world\ vision|white\ helmets|salvation\ army|mercy\ corps|
    world\ central\ kitchen|team\ rubicon|food\ bank|banco\ de\ alimentos|banque\ alimentaire|banco\ alimentare|
    habitat\ for\ humanity|akut|ahbap|sos\ kinderdorf|technisches\ hilfswerk|malteser|johanniter|direct\ relief|
    search\ and\ rescue\ team|الهلال\ الأحمر|الصليب\ الأحمر|الخوذ\ البيضاء|日本赤十字社)\b""",
    re.VERBOSE,
)


def profile_kind(name: object, domain: object, about: object = None, badge: object = None) -> AuthorKind | None:
    """The kind that a profile tells: its shown name, its handle or server's name, what it says of itself, X's badge."""
    shown, own = (string(name) or "").lower()[:_LOOK_AT], (string(about) or "").lower()[:_LOOK_AT]
    if _NOT_REALLY.search(shown) or _NOT_REALLY.search(own):
        return None
    if badge == "government" or _GOVERNMENT.search((string(domain) or "").lower()):
        return "official"
    if _AID.search(shown):
        return "aid_group"
    if _OFFICIAL.search(shown):
        return "official"
    return "media" if _MEDIA.search(shown.strip()) or _JOURNALIST.search(own) else None


def x_user_kind(user: Mapping[str, object]) -> AuthorKind | None:
    """The same of X's user, v1.1 or v2."""
    return profile_kind(user.get("name"), None, user.get("description"), user.get("verified_type"))


_FIRST_PERSON = frozenset({
    "my", "our", "i", "i'm", "i’m", "we", "we're", "we’re", "me", "mi", "mis", "nuestra", "nuestro", "estoy",
    "estamos", "acabo", "acabamos", "ma", "mon", "notre", "nous", "je", "j'ai", "minha", "nossa", "nosso", "estou",
    "acabei", "mein", "meine", "meinem", "meiner", "unser", "unsere", "wir", "mia", "mio", "nostra", "siamo", "ho",
    "мого", "мій", "наш", "наша", "ми", "я", "мы", "мой", "моего", "rumah", "kami", "saya", "kita", "evim",
    "evimiz", "altındayız", "kaldık", "penceremden", "balkonumdan", "نحن", "بيتنا", "منزلنا", "نافذتي", "شرفتي",
})  # fmt: skip
_QUOTED = re.compile(r'“[^”]*”|"[^"]*"|«[^»]*»|„[^“]*“')
_SUPPOSED = re.compile(
    r"\b(?:if|hope|pray|dream\w*|imagine) (?:that )?(?:my|our|i|we)\b|\bnot (?:destroyed|damaged|flooded)\b"
)
_STRUCK = (
    r"(?:flood\w*|destroyed|collapsed|gone|burn\w*|on\ fire|under\ ?water|submerged|sha(?:king|ken)|shook|damaged|"
    r"buried|washed\ away)"
)
_EYEWITNESS = re.compile(
    rf"""
    # trapped oneself
    \b(?:we\ are|we['’]re|i\ am|i['’]m)\ (?:\S+\ ){{0,4}}?(?:trapped|stuck|stranded|on\ (?:the|our|my)\ roof|
    under\ (?:the\ )?rubble)|
    \bestamos\ (?:\S+\ ){{0,2}}?(?:atrapad[oa]s|aislad[oa]s|en\ (?:el|la)\ (?:tejado|techo|azotea)|
    bajo\ (?:los\ )?escombros)|
    \bestoy\ (?:atrapad[oa]|bajo\ (?:los\ )?escombros)|
    \bnous\ sommes\ (?:\S+\ )?(?:bloqu[ée]e?s|coinc[ée]e?s|pi[ée]g[ée]e?s|sur\ le\ toit|isol[ée]e?s|
    sous\ les\ d[ée]combres)|
    \bestamos\ (?:presos|ilhados|no\ telhado)|\bwir\ (?:sitzen|stehen|sind)\ (?:auf\ dem\ dach|fest|eingeschlossen)|
    \bsiamo\ (?:bloccati|intrappolati|isolati|sul\ tetto)|\b(?:ми|мы)\ (?:застр\w+|під\ завалами|под\ завалами|
    на\ даху|на\ крыше)|
    \bkami\ (?:terjebak|terisolasi|di\ atap)|\benkaz\ altındayız|\bmahsur\ kaldık|نحن\ (?:محاصرون|عالقون)|
    # one's own house or street
    \b(?:my|our)\ (?:\S+\ )?(?:house|home|street|road|neighbou?rhood|village|building|basement|kitchen|roof|garden|
    flat|town)
      \ (?:is|was|has|are|just|got|now)\ (?:\S+\ ){{0,2}}?{_STRUCK}|
    \b(?:in|into|through|at|inside)\ (?:my|our)\ (?:house|home(?!\ ?town)|kitchen|street|basement|living\ room|door|
    building)\b|
    \b(?:mi|nuestra)\ (?:casa|calle)\ (?:\S+\ ){{0,3}}?(?:inund\w+|destru\w+|quem\w+|ard\w+|derrumb\w+)|
    \b(?:ma|notre)\ (?:maison|rue)\ (?:est|a\ ét[ée])\ (?:\S+\ )?(?:inond[ée]e|d[ée]truite|sous\ l['’]eau|en\ feu)|
    \b(?:minha|nossa)\ (?:casa|rua)\ (?:\S+\ ){{0,2}}?(?:alag\w+|inund\w+|destru\w+|desab\w+)|
    \b(?:mein|unser)e?\ (?:haus|keller|straße|garten)\ (?:ist|steht|wurde)\ (?:\S+\ )?(?:überflutet|unter\ wasser|
    zerstört|überschwemmt)|
    \b(?:la\ )?(?:mia|nostra)\ (?:casa|strada)\ (?:è|sta)\ (?:\S+\ )?(?:allagata|distrutta|crollat\w|bruciando)|
    \b(?:наш|наша|мой|мій)\ (?:будинок|дім|дом|вулиц\w+|улиц\w+)\ (?:\S+\ )?(?:затоп\w+|гори\w+|зруйн\w+|разруш\w+)|
    \brumah\ (?:saya|kami)\ (?:\S+\ )?(?:terendam|kebanjiran|hancur|roboh|hanyut)|
    \bevim(?:iz)?\ (?:yıkıldı|su\ altında)|
    (?:بيتنا|منزلنا)\ (?:غرق|تهدم|احترق|انهار)|
    # seen or felt oneself
    \bfrom\ (?:my|our)\ (?:window|balcony|roof|porch)\b|\boutside\ (?:my|our)\ (?:window|house|door|home)\b|
    \bi\ can\ (?:see|hear)\ (?:the|smoke|
    flames|people|water|screams)|
    \b(?:i|we)\ (?:just\ )?felt\ (?:\S+\ ){{0,3}}?(?:earth)?(?:quake|tremor|aftershock|shak\w+|blast|explosion)|
    \b(?:i|we)\ (?:just\ )?(?:saw|heard)\ (?:an?|the)\ (?:\S+\ )?(?:explosion|blast|tornado|flames|wave|roof|wall)\b|
    \bdesde\ mi\ (?:ventana|balc[oó]n|casa|azotea)|\bacabo\ de\ (?:ver|sentir)|\bacabamos\ de\ sentir|
    \bde(?:puis)?\ (?:ma\ fen[êe]tre|mon\ balcon|mon\ toit)|\bje\ viens\ de\ (?:voir|sentir)|
    \bd[ae]\ minha\ (?:janela|varanda)|\bacabei\ de\ (?:ver|sentir)|\b(?:aus|von)\ meine[mr]\ (?:fenster|balkon|dach)|
    \bdal(?:la\ mia\ finestra|\ mio\ balcone)|\bho\ appena\ (?:visto|sentito)|
    \b(?:з|із|из)\ (?:мого|моего)\ (?:вікна|балкона|окна)|\bdari\ (?:jendela|balkon|atap)\ (?:rumah\ )?(?:saya|kami)|
    \b(?:penceremden|balkonumdan)|من\ (?:نافذتي|شرفتي)
    """,
    re.VERBOSE,
)
_BEGINNING = re.compile(
    r"""\b(?:i|we|my|our|in|into|through|at|inside|from|outside|estamos|estoy|mi|nuestra|desde|acabo|acabamos|nous|ma|notre|
    de|depuis|je|minha|nossa|da|acabei|wir|meine?|unsere?|aus|von|siamo|la|mia|nostra|dal|dalla|ho|ми|мы|наша?|мой|мій|з|із|
    из|kami|rumah|dari|enkaz|mahsur|evim(?:iz)?|penceremden|balkonumdan)(?!\w)""",
    re.VERBOSE,
)
"""The words that what an eyewitness says begins with, but for the Arabic ones."""
_ARABIC = re.compile("[\u0600-\u06ff]")
_HAPPENS = re.compile(
    rf"""{_STRUCK}|water|river|wave|smoke|flame|fire|rubble|earthquake|quake|tremor|tornado|storm|mud|landslide|
    explosion|blast|
    agua|r[ií]o|humo|fuego|llamas|incendio|terremoto|temblor|sismo|escombro|barro|explosi|inund|eau|rivi[èe]re|
    fum[ée]e|feu|
    flammes|s[ée]isme|secousse|boue|crue|inond|[áa]gua|fuma[çc]a|fogo|tremor|lama|alag|wasser|rauch|feuer|beben|
    flut|schlamm|
    acqua|fumo|fiamme|terremoto|scossa|fango|вод|дим|дым|пожеж|пожар|вибух|взрыв|землетр|затоп|air|banjir|api|asap|
    gempa|
    longsor|deprem|sel|yangın|duman|زلزال|حريق|دخان|ماء|مياه|فيضان|انفجار|rescue|help|ayuda|secours|hilfe|aiuto|
    tolong|
    trapped|stranded|atrapad|bloqu|coinc|pi[ée]g|enkaz|mahsur|завал|застр|terjebak|محاصر|عالق|roof|tejado|
    techo|toit""",
    re.VERBOSE,
)


def is_eyewitness(text: str) -> bool:
    """Whether the text says in the first person that a disaster befalls its author or is seen by them; microseconds."""
    low = text[:_LOOK_AT].lower()
    if _FIRST_PERSON.isdisjoint(low.replace(",", " ").replace(".", " ").split()):
        return False
    told = _QUOTED.sub(" ", low)
    if _SUPPOSED.search(told):
        return False
    return _befalls(told) and _HAPPENS.search(told) is not None


def _befalls(told: str) -> bool:
    if _ARABIC.search(told):  # whose words have others written to them
        return _EYEWITNESS.search(told) is not None
    return any(_EYEWITNESS.match(told, word.start()) for word in _BEGINNING.finditer(told))
