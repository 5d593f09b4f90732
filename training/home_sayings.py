"""What no template says: other words for calling it off, politeness, and requests that are not about a house."""

from collections.abc import Mapping, Sequence

NEVERMIND: Mapping[str, Sequence[str]] = {
    "en": tuple(
        "forget it|forget about it|cancel that|oh forget it|ignore that|it's nothing|nothing, thanks|no, never mind that|"
        "ok never mind then|sorry, never mind|please never mind|never mind, thanks|stop, forget it|leave it|don't bother|"
        "not anymore|drop it|ah, nevermind then|actually nevermind|actually, forget that|scratch that|no thanks".split(
            "|"
        )
    ),
    "ru": tuple(
        "ничего не надо|не надо|забудь об этом|отмени это|ладно, не нужно|уже не важно|не нужно|стоп, отмена|отмена, спасибо|"
        "забудь, пожалуйста|ой, неважно|ничего|всё, не надо|передумал|передумала|хватит, забудь|оставь|проехали уже|ладно забей".split(
            "|"
        )
    ),
    "zh-cn": tuple(
        "不用了|没什么|取消吧|当我没说|不需要了|忘了吧|不要了|不用管了|我说错了|好了没事了|那算了|不说了|你退下|先这样吧|没事没事|拜拜".split(
            "|"
        )
    ),
}
POLITE: Mapping[str, Sequence[tuple[str, str]]] = {
    "en": (
        *(
            ("please", ""),
            ("", "please"),
            ("can you", ""),
            ("could you", ""),
            ("would you", ""),
            ("", "for me"),
        ),
        *(
            ("can you please", ""),
            ("hey", ""),
            ("ok", ""),
            ("so", ""),
            ("um", ""),
            ("", "thanks"),
            ("", "now"),
        ),
        *(("hi there", ""), ("tell me", ""), ("well", ""), ("ok house", ""), ("", "thank you")),
    ),
    "ru": (
        *(
            ("пожалуйста", ""),
            ("", "пожалуйста"),
            ("прошу", ""),
            ("можешь", ""),
            ("слушай", ""),
            ("скажи", ""),
        ),
        *(
            ("подскажи", ""),
            ("дом", ""),
            ("ну", ""),
            ("а", ""),
            ("эй", ""),
            ("будь добра", ""),
            ("", "спасибо"),
        ),
    ),
    "zh-cn": (
        *(
            ("请", ""),
            ("帮我", ""),
            ("请帮我", ""),
            ("麻烦", ""),
            ("", "谢谢"),
            ("喂", ""),
            ("你好", ""),
            ("那", ""),
        ),
    ),
}
STRANGERS: Mapping[str, Sequence[str]] = {
    "en": (),
    "ru": tuple(
        "переведи на английский слово стол|сколько будет семь умножить на восемь|расскажи анекдот|кто написал войну и мир|"
        "закажи такси до вокзала|забронируй столик на двоих|какой курс доллара|напиши письмо начальнику|"
        "какая столица Австралии|найди рецепт борща|сколько калорий в банане|купи билеты в театр|"
        "когда отправляется поезд в Тверь|позвони в банк|переведи деньги Ивану|сколько денег на карте|"
        "как пишется слово коридор|спой песню|кто выиграл матч вчера|сколько лет Луне|добавь встречу в календарь|"
        "прочитай последнее сообщение|какие новости сегодня|где ближайшая аптека|как доехать до центра|"
        "отправь сообщение маме|найди отель в Праге|сколько километров до Солнца|посоветуй книгу|что такое интеграл|"
        "раздели сто на четыре|когда день города|кто президент Франции|оформи отпуск|потеряла карту, что делать|"
        "закажи пиццу на дом|сколько стоит билет в Париж|придумай имя для кота|реши уравнение|как тебе погода на Марсе".split(
            "|"
        )
    ),
    "zh-cn": tuple(
        "讲个笑话|法国的首都是哪里|帮我订一张去上海的机票|今天的汇率是多少|写一封邮件给老板|七乘八等于多少|附近有什么餐馆|"
        "翻译成英文|谁写了红楼梦|帮我叫一辆出租车|我的银行卡余额是多少|给妈妈发短信|推荐一本书|今天有什么新闻|"
        "怎么去火车站|预订两个人的桌子|月亮离地球多远|昨天谁赢了比赛|香蕉有多少卡路里|把会议加到日历|红烧肉怎么做|"
        "买两张电影票|下一班火车几点开|给我唱首歌|转账一百块给小王|我的快递到哪了|什么是积分|帮我查一下航班|"
        "圆周率是多少|给小猫起个名字|最近的医院在哪里|解方程|帮我请假|长城有多长".split("|")
    ),
}
"""English ones come from CLINC150."""

_TENS = (20, 30, 40, 50, 60, 70, 80, 90)
NUMBERS: Mapping[str, Mapping[int, str]] = {
    "en": dict(
        enumerate(
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen".split(),
            1,
        )
    )
    | dict(zip(_TENS, "twenty thirty forty fifty sixty seventy eighty ninety".split(), strict=True)),
    "ru": dict(
        enumerate(
            "один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
            "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать".split(),
            1,
        )
    )
    | dict(
        zip(
            _TENS,
            "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто".split(),
            strict=True,
        )
    ),
    "zh-cn": dict(
        enumerate("一 二 三 四 五 六 七 八 九 十 十一 十二 十三 十四 十五 十六 十七 十八 十九".split(), 1)
    )
    | dict(zip(_TENS, "二十 三十 四十 五十 六十 七十 八十 九十".split(), strict=True)),
}
"""Numbers as words; the templates' own lists have digits only."""
