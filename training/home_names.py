"""Names of made-up houses in three languages: none of them is in the public tests' houses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "ru", "zh-cn")


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


AREAS: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "laundry room, cellar, workshop, hallway, sunroom, dining room, study, attic, nursery, bathroom, balcony, "
        "terrace, pantry, library, music room, playroom, gym, sauna, shed, greenhouse, porch, patio, driveway, "
        "garden, backyard, master bathroom, kids room, Emma's room, Jack's room, corridor, lobby, closet, "
        "utility room, boiler room, wine cellar, den, conservatory, lounge, mud room, pool house, spare room, "
        "game room, studio, powder room, landing, stairs, front yard, barn, toilet, dressing room"
    ),
    "ru": (),  # with their cases, below
    "zh-cn": _list(
        "阳台, 餐厅, 走廊, 儿童房, 洗衣房, 书房, 阁楼, 客房, 浴室, 卫生间, 主卧, 次卧, 花园, 院子, 地下室, 储藏室, 衣帽间, "
        "健身房, 影音室, 茶室, 老人房, 露台, 楼梯间, 工作间, 游戏室, 办公室, 门厅, 琴房, 酒窖, 前院, 后院, 小明的房间, 过道, 洗手间"
    ),
}
FLOORS: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "top floor, mezzanine, third floor, fourth floor, lower level, main level, loft, middle floor, downstairs, "
        "upper level, garden level, penthouse, fifth floor, cellar level, basement level, attic floor, street level"
    ),
    "ru": (),
    "zh-cn": (),
}
TIMERS: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "pasta, eggs, laundry, tea, bread, nap, workout, roast, cookies, rice, dishwasher, homework, break, meeting, "
        "soup, chicken, sauna, plants, coffee, dryer, potatoes, steak, yoga, cake, dinner, call mom, reading, beans"
    ),
    "ru": _list(
        "чай, суп, яйца, духовка, стирка, пирог, каша, тренировка, картошка, макароны, курица, сон, перерыв, кофе, "
        "пельмени, рис, уроки, зарядка, котлеты, борщ, хлеб, печенье, звонок маме, сауна, гречка"
    ),
    "zh-cn": _list(
        "面条, 鸡蛋, 煮饭, 泡茶, 洗衣, 午睡, 锻炼, 蛋糕, 烤鸡, 红烧肉, 作业, 咖啡, 饺子, 会议, 瑜伽, 面包, 汤, 面膜, 牛排, 休息"
    ),
}
ITEMS: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "milk and eggs, wash the car, two lemons, call the plumber, a box of nails, bread, oat milk, dish soap, batteries, "
        "water the plants, tomatoes, olive oil, mow the lawn, toilet paper, six bananas, dog food, pay the rent, "
        "light bulbs, cheese, feed the cat, coffee beans, a bag of rice, book the dentist, paper towels, fix the sink, "
        "butter, shampoo, clean the oven, return the library books, onions, sugar and flour, change the filter"
    ),
    "ru": _list(
        "помыть машину, молоко и яйца, две пачки чая, хлеб, позвонить сантехнику, яблоки, стиральный порошок, сыр, "
        "полить цветы, лампочки, туалетная бумага, корм для кота, гвозди, помидоры, забрать посылку, сахар, масло, "
        "десять яиц, оплатить счета, зубная паста, рис, кофе, починить кран, обои, шурупы, краску, морковь, чеснок"
    ),
    "zh-cn": _list(
        "牛奶和鸡蛋, 两个柠檬, 洗车, 面包, 给水管工打电话, 苹果, 洗洁精, 电池, 浇花, 大米, 灯泡, 猫粮"
    ),
}
MESSAGES: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "dinner is ready, taxi is here, we leave in ten minutes, the movie is starting, please come downstairs, "
        "grandma has arrived, school bus is coming, breakfast is on the table, it is time for bed, lunch is served"
    ),
    "ru": _list(
        "ужин готов, такси приехало, пора спать, бабушка пришла, выходим через десять минут, фильм начинается, "
        "обед на столе, пора в школу, все идите сюда, курьер у двери"
    ),
    "zh-cn": _list("晚饭好了, 出租车到了, 电影开始了, 该睡觉了, 奶奶来了"),
}
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "turn off the lights, open the garage door, close the blinds, turn on the fan, lock the front door, "
        "start the vacuum, turn off the tv, pause the music, set the temperature to 21, water the garden, "
        "turn on the porch light, stop the music, lower the blinds, feed the fish, broadcast dinner is ready"
    ),
    "ru": _list(
        "выключи свет, включи чайник, закрой шторы, открой ворота, выключи телевизор, включи музыку, останови музыку, "
        "включи вентилятор, запри дверь, выключи утюг, включи свет на веранде, подними жалюзи"
    ),
    "zh-cn": _list(
        "关灯, 打开窗帘, 关闭电视, 打开风扇, 锁门, 关空调, 打开阳台灯, 暂停音乐, 开始扫地, 关闭热水器, 打开空调"
    ),
}
ZONES: Mapping[str, tuple[str, ...]] = {
    "en": _list(
        "home, work, school, the lake house, gym, grandma's house, university, downtown, soccer practice"
    ),
    "ru": (),
    "zh-cn": (),
}
QUERIES = _list(
    "jazz classics, Stairway to Heaven, The Matrix, Pink Floyd, morning coffee, The Crown, Radiolab, Imagine, Abbey Road, "
    "relaxing piano, Friends, Toy Story, Miles Davis, workout mix, Planet Earth, Yesterday, Daft Punk, Dark Side of the Moon, "
    "The Simpsons, Rammstein, Chill Vibes, Serial Killers, Nirvana, Frozen, Road Trip, Hey Jude, Doctor Who, Adele"
)
"""For searches of media; the recipe adds names of songs, albums and films from SNIPS."""

_NOUNS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "light": "desk lamp, reading light, porch light, chandelier, floor lamp, night light, spotlights, light strip, "
        "pendant, mirror light, string lights, sconce, reading corner, bookshelf, mood light, hue strip, lava lamp, "
        "stove light, lantern, aquarium light, bar, tree, star lamp, downlights, workbench, dressing table",
        "switch": "coffee maker, heater plug, christmas tree, fountain, socket, power strip, kettle, pump, radio, "
        "towel rail, printer, humidifier, air purifier, sprinkler, dehumidifier, electric blanket, toaster, router",
        "fan": "exhaust fan, tower fan, desk fan, box fan, ventilator, extractor, air circulator, standing fan",
        "cover": "patio awning, roller blind, left blinds, east shutter, big gate, skylight, north window, roof window, "
        "balcony door, sheer curtain, drapes, car gate, front shutter, velvet curtains, canopy, tall shade",
        "lock": "cellar lock, garden gate, main entrance, shed lock, bike box, safe, mail box, office safe, back gate",
        "media_player": "soundbar, record player, big screen, den speaker, projector, home cinema, hi-fi, sonos, "
        "chromecast, speaker, jukebox, television, radio alarm, playstation, receiver, homepod, boombox",
        "climate": "boiler, heat pump, radiator, air conditioner, floor heating, ecobee, heater, hvac, fireplace",
        "valve": "boiler valve, sprinkler valve, gas valve, garden tap, water shutoff, radiator valve, pool valve",
        "vacuum": "Rosie, Dusty, Roomba, Robby, Cleaner, Wall-E, Speedy, Sir Sucks, Deebot, robot vacuum",
        "scene": "movie night, good morning, romantic dinner, reading mode, bedtime, sunset, relax, cosy evening, "
        "focus time, vacation mode, work mode, guests, rainbow, arctic, disco",
        "script": "goodnight routine, leaving home, wake up call, water plants, panic, lock everything, coffee time, "
        "quiet hours, feed the dog, guest welcome, evening routine, school run",
        "person": "Alice, Bob, Maria, Tom, Sophie, Uncle Ben, Grandma, Peter, Lucy, Oscar, Mia, Daniel, Emma, Noah",
        "weather": "Lisbon, Berlin, Tokyo, New York, Paris, Sydney, Oslo, Cape Town, the lake house, Rome, Chicago, Dublin",
        "todo": "groceries, weekend chores, hardware store, packing, christmas gifts, work, party, ikea, costco, garden, "
        "books to read, homework, vacation, pharmacy, repairs, birthday",
        "binary_sensor": "smoke alarm, hallway sensor, dryer, freezer, dishwasher, tablet, laptop, car charger, dog, mailbox, "
        "window sensor, cat flap, water tank, boiler room, garage fridge, sump pump, doorbell, safe, oven, bike, watch, "
        "attic window, cellar door, heating pump, router, server, basement detector, alarm, printer, crib, gate, e-bike",
        "sensor": "freezer thermometer, weather station, car, power meter, greenhouse, rain gauge, solar panels, "
        "living space air monitor, tablet, watch, washing machine, water meter, pool, gas meter, electric car, bike, "
        "wind vane, tank, fridge, ups, plant, server, air quality monitor, heating, oil tank, scale, garden sensor, "
        "soil probe, internet, battery pack, treadmill, anniversary, garbage pickup, coffee scale, cpu, nas",
    },
    "zh-cn": {
        "light": "落地灯, 氛围灯带, 台灯, 壁灯, 吊灯, 夜灯, 射灯组, 床头灯, 镜前灯, 灯带, 门灯, 走廊灯, 阅读灯, 水晶灯, 彩灯, 餐桌灯",
        "switch": "咖啡机, 热水壶, 插排, 热水器, 加湿器, 净化器, 电热毯, 水泵, 路由器, 打印机, 鱼缸, 充电桩, 电饭煲, 烤箱",
        "fan": "排气扇, 落地扇, 循环扇, 换气扇, 新风机, 塔式风扇, 小风扇",
        "cover": "百叶窗, 卷帘, 左侧布帘, 大铁门, 天窗, 遮阳蓬, 纱帘, 阳台帘, 投影幕, 推拉门, 北窗, 院门帘, 罗马帘, 升降帘",
        "lock": "院门锁, 后门锁, 保险箱, 大门锁, 仓库门, 书房门, 防盗门, 车库锁, 信箱, 地下室门",
        "media_player": "小音箱, 回音壁, 投影仪, 大电视, 音响, 收音机, 播放器, 家庭影院, 小爱音箱, 游戏机, 电视盒子, 唱片机",
        "climate": "地暖, 暖气片, 中央空调, 锅炉, 恒温器, 取暖器, 立式空调, 热泵, 壁炉",
        "valve": "喷灌阀, 煤气阀, 总水阀, 锅炉阀, 花园水阀, 暖气阀",
        "vacuum": "小扫, 扫地机, 石头, 科沃斯, 大白, 小黑, 清洁工, 扫地机器人",
        "scene": "观影模式, 晚安模式, 浪漫晚餐, 阅读场景, 起床模式, 日落, 放松, 工作场景, 聚餐模式, 离家模式",
        "script": "回家流程, 晚安流程, 浇花程序, 喂狗, 全屋锁门, 早安程序, 欢迎客人, 静音时间, 外出程序",
        "person": "小明, 妈妈, 爸爸, 奶奶, 小红, 爷爷, 王芳, 李雷",
        "weather": "广州, 深圳, 杭州, 东京, 成都, 纽约, 西安, 台北, 南京, 哈尔滨, 拉萨, 巴黎",
        "todo": "购物, 周末家务, 工作, 旅行清单, 生日礼物",
        "binary_sensor": "烟感, 门磁, 洗碗机, 冰箱, 平板, 猫门, 水箱, 烘干机, 门铃, 人体传感器",
        "sensor": "冰柜温度计, 电表, 空气检测仪, 水表, 太阳能板, 手表, 雨量计, 汽车, 湿度计",
    },
}
# A noun with its kind of declension: ma стол, fa лампа, fb дверь, no окно, mj вентиль, fj батарея; - stays as it is.
_RU: Mapping[str, str] = {
    "light": "лампа fa, люстра fa, торшер ma, бра -, ночник ma, гирлянда fa, прожектор ma, подсветка fa, фонарь mj, "
    "светильник ma, лента fa, настольная лампа -, софит ma, аквариум ma, зеркало no, полка fa, потолок ma",
    "switch": "чайник ma, розетка fa, кофеварка fa, обогреватель mj, насос ma, ёлка fa, утюг ma, принтер ma, "
    "увлажнитель mj, фонтан ma, удлинитель mj, роутер ma, очиститель mj",
    "fan": "вытяжка fa, кулер ma, вентилятор ma, бризер ma, напольный вентилятор -, обдув ma",
    "cover": "рольставни -, жалюзи -, штора fa, маркиза fa, занавеска fa, окно no, калитка fa, навес ma, люк ma, ворота -",
    "lock": "замок -, сейф ma, дверь fb, калитка fa",
    "media_player": "проектор ma, саундбар ma, колонка fa, телевизор ma, магнитола fa, приёмник ma, приставка fa, "
    "кинотеатр ma, радио -, станция fj, динамик ma",
    "climate": "кондиционер ma, котёл -, радиатор ma, тёплый пол -, батарея fj, камин ma, обогреватель mj, бойлер ma",
    "valve": "клапан ma, кран ma, задвижка fa, кран бойлера -, клапан полива -, вентиль бойлера -",
    "vacuum": "пылесос ma, робот ma, Вася -, Пылик -, Люся -",
    "scene": "Вечер -, Доброе утро -, Кино -, Романтика -, Отдых -",
    "script": "спокойной ночи -, ухожу из дома -, полив сада -, доброе утро -, режим отпуска -, гости пришли -, "
    "тревога -, пора спать -, режим кино -, утренний сценарий -",
    "person": "Маша -, Иван -, Оля -, Петя -",
    "weather": "Казань fb, Сочи -, Самара fa, Псков ma, Томск ma, Омск ma, Париж ma, Минск ma, Тверь fb, Уфа fa, Тула fa, "
    "Краснодар ma, Мурманск ma, Калуга fa, Рязань fb",
    "todo": "продукты -, дела на выходные -, ремонт ma, подарки -, работа fa, дача fa, аптека fa, отпуск ma, список покупок для дачи -",
    "binary_sensor": "ноутбук ma, планшет ma, посудомойка fa, сушилка fa, почтовый ящик -, сигнализация -, "
    "дверца шкафа -, холодильник ma, люк ma, кошка fa, собака fa, калитка fa, подвал ma, котельная -, морозилка fa, "
    "принтер ma, насос ma, дверь fb, форточка fa, окно no, боковые ворота -, детектор ma, колыбель fb, часы -, велосипед ma, "
    "духовка fa, бак ma, труба fa, сервер ma, Оля -, бойлер ma, газонокосилка fa",
    "sensor": "термометр морозилки -, датчик дождя -, счётчик ma, погода fa, теплица fa, машина fa, планшет ma, сервер ma, "
    "часы -, бассейн ma, барометр ma, духовка fa, подвал ma, анализатор ma, гигрометр ma, зарядка fa, велосипед ma, "
    "весы -, котёл -, газон ma, насосная -, электромобиль mj, барограф ma, монитор ma, стиралка fa, скважина fa, ветряк ma, "
    "день рождения -, клумба fa, крыша fa",
}
_RU_ADJECTIVES = _list(
    "лев, прав, нов, стар, красн, длинн, кругл, бел, чёрн, умн, главн, садов, восточн, северн, гостев, парадн, запасн"
)
_RU_TAILS = _list(
    "в детской, на чердаке, у окна, Маши, в прихожей, у входа, в углу, на веранде, над столом, в кабинете, бабушки, "
    "в подвале, у дивана, на балконе, в саду, на лестнице"
)
_RU_AREAS = _list(
    "кабинет ma, прихожая fadj, мастерская fadj, подвал ma, чердак ma, веранда fa, гостевая fadj, столовая fadj, детская fadj, "
    "ванная fadj, балкон ma, коридор ma, терраса fa, библиотека fa, котельная fadj, сад ma, двор ma, баня fj, туалет ma, "
    "кладовая fadj, гардеробная fadj, беседка fa, лестница fa, прачечная fadj, сауна fa, теплица fa, лоджия fj, игровая fadj, "
    "комната Маши -, студия fj, холл ma, крыльцо no"
)
_EN_MODIFIERS = _list(
    "left, right, upstairs, small, big, front, back, old, new, attic, hallway, dining room, study, kids, Emma's, Jack's, "
    "guest, balcony, north, south, blue, smart, my, main, second, nursery, cellar, terrace, patio, upper, corner"
)
_ZH_MODIFIERS = _list(
    "左边, 右边, 大, 小, 书房, 阳台, 餐厅, 儿童房, 走廊, 阁楼, 新, 旧, 主, 东侧, 西侧, 小明的, 二楼, 门口"
)


@dataclass(frozen=True)
class Name:
    """A name with its cases."""

    nominative: str
    accusative: str
    genitive: str
    prepositional: str

    @property
    def forms(self) -> tuple[str, ...]:
        """Each once, the nominative first."""
        every = (self.nominative, self.accusative, self.genitive, self.prepositional)
        return tuple(dict.fromkeys(every))

    @classmethod
    def fixed(cls, name: str) -> Name:
        return cls(name, name, name, name)


_ENDINGS = {
    "ma": ("", "", "а", "е"),
    "mj": ("ь", "ь", "я", "е"),
    "fa": ("а", "у", "ы", "е"),
    "fj": ("я", "ю", "и", "е"),
    "fb": ("ь", "ь", "и", "и"),
    "no": ("о", "о", "а", "е"),
    "fadj": ("ая", "ую", "ой", "ой"),
}
_ADJECTIVE = {
    "m": ("ый", "ый", "ого", "ом"),
    "f": ("ая", "ую", "ой", "ой"),
    "n": ("ое", "ое", "ого", "ом"),
}


def _declined(noun: str, kind: str) -> Name:
    if kind == "-":
        return Name.fixed(noun)
    ends = _ENDINGS[kind]
    root = noun.removesuffix(ends[0]) if ends[0] else noun
    forms = [root + end for end in ends]
    if kind == "fa" and root[-1] in "кгхжшчщ":
        forms[2] = root + "и"
    if kind == "fj" and root[-1] == "и":
        forms[3] = root + "и"
    return Name(*forms)


def _noun_of(entry: str) -> tuple[str, str]:
    noun, _, kind = entry.rpartition(" ")
    return noun, kind


def _russian(entry: str, dice: random.Random, plain: bool) -> Name:
    noun, kind = _noun_of(entry)
    name = _declined(noun, kind)
    if plain:
        return name
    roll = dice.random()
    if roll < 0.3 and kind in _ENDINGS and kind != "fadj":
        stem = dice.choice(_RU_ADJECTIVES)
        ends = _ADJECTIVE[kind[0]]
        pairs = zip(ends, (name.nominative, name.accusative, name.genitive, name.prepositional), strict=True)
        return Name(*(f"{stem}{end} {form}" for end, form in pairs))
    if roll < 0.6:
        tail = dice.choice(_RU_TAILS)
        return Name(*(f"{form} {tail}" for form in
                      (name.nominative, name.accusative, name.genitive, name.prepositional)))  # fmt: skip
    return name


_PLAIN = frozenset({"scene", "script", "person", "weather", "todo", "vacuum"})
"""Domains whose names get no adjective."""


def area_name(language: str, dice: random.Random) -> Name:
    if language == "ru":
        return _declined(*_noun_of(dice.choice(_RU_AREAS)))
    return Name.fixed(dice.choice(AREAS[language]))


def entity_name(language: str, domain: str, dice: random.Random) -> Name:
    """A name for an entity of a domain."""
    plain = domain in _PLAIN
    if language == "ru":
        return _russian(dice.choice(_list(_RU[domain])), dice, plain)
    noun = dice.choice(_list(_NOUNS[language][domain]))
    if plain or dice.random() < 0.45:
        return Name.fixed(noun)
    if language == "en":
        return Name.fixed(f"{dice.choice(_EN_MODIFIERS)} {noun}")
    return Name.fixed(f"{dice.choice(_ZH_MODIFIERS)}{noun}")
