"""A catalogue of tools of many types, and how people ask for them: what generated requests are made of."""

from dataclasses import dataclass
from typing import Any

from training.caller_values import (
    CITY,
    NOTE,
    PERSON,
    THING,
    TITLE,
    TOPIC,
    Kind,
    choice,
    clock,
    code,
    day,
    flag,
    mail,
    many,
    one_of,
    real,
    record,
    whole,
)


@dataclass(frozen=True)
class Argument:
    """One argument: its names, what it may be, and how it is said."""

    names: tuple[str, ...]
    kind: Kind
    clauses: tuple[str, ...]
    """With ``{}`` for the value; of a truth two, for true and for false."""
    optional: bool
    question: str
    note: str


@dataclass(frozen=True)
class Spec:
    """One tool in its wordings."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    heads: tuple[str, ...]
    arguments: tuple[Argument, ...]
    wanted: str
    """What a refusal says that no tool does."""


def A(names: str, kind: Kind, clauses: str, question: str = "", note: str = "") -> Argument:
    """An argument, optional with a ``?`` behind its names; alternatives stand between bars."""
    keys = tuple(names.removesuffix("?").split("|"))
    question = question or f"Which {keys[0].replace('_', ' ')}?"
    return Argument(keys, kind, tuple(clauses.split("|")), names.endswith("?"), question, note)


def T(names: str, descriptions: str, heads: str, *arguments: Argument) -> Spec:
    said = tuple(descriptions.split("|"))
    wanted = said[0][0].lower() + said[0][1:]
    return Spec(tuple(names.split("|")), said, tuple(heads.split("|")), arguments, wanted)


def _currency() -> Kind:
    return choice(
        {
            "euros": "EUR",
            "dollars": "USD",
            "pounds": "GBP",
            "yen": "JPY",
            "Swiss francs": "CHF",
            "rupees": "INR",
        }
    )


_GUEST = record("{name} ({email})", name=PERSON, email=mail())
_LINE = record("{quantity} {item}", item=THING, quantity=whole(2, 12))
_POINT = record("({x}, {y})", x=real(-50, 50, 1), y=real(-50, 50, 1))
_ADDRESS = record(
    "{street} in {city}",
    street=one_of(
        "12 Mill Lane|4 Station Road|88 Harbour Street|5 Oak Avenue|31 King Street|7 Church Square"
    ),
    city=CITY,
)
_ROOM = choice("kitchen|bedroom|living_room|office|hall|bathroom|garage")
_LANGUAGE = choice("french|german|spanish|italian|japanese|korean|polish|swedish|arabic|hindi")
_ACTIVITY = choice("running|cycling|swimming|yoga|rowing|hiking")

TRAIN: tuple[Spec, ...] = (
    T(
        "get_weather|weather_forecast|fetchWeather|weather.get",
        "Get the weather forecast for a place|Forecast of the weather",
        "what is the weather|how is the weather|tell me the weather forecast|weather please",
        A("city|location|place", CITY, "in {}|for {}", "Which city?"),
        A("days|num_days|forecast_days?", whole(1, 10), "for {} days|for the next {} days"),
        A("unit|units?", choice("celsius|fahrenheit"), "in {}|with temperatures in {}"),
    ),
    T(
        "convert_currency|exchange|currency.convert",
        "Convert an amount of money into another currency|Currency conversion",
        "convert|how much is|please exchange|I want to know the value of",
        A("amount|value|sum", real(1, 5000), "{}", "How much money?"),
        A("from_currency|source|base", _currency(), "{}", "Which currency do you have?"),
        A("to_currency|target|into", _currency(), "to {}|in {}", "Into which currency?"),
    ),
    T(
        "set_temperature|thermostat_set|setThermostat",
        "Set the temperature of a room|Adjust the heating in a room",
        "set the temperature|put the heating|please set the thermostat|make the heating go",
        A("room|area|zone", _ROOM, "in the {}|of the {}", "In which room?"),
        A("degrees|temperature|target_temp", real(14, 26, 1), "to {} degrees|to {}", "To how many degrees?"),
    ),
    T(
        "switch_light|light_control|lights.set|toggleLight",
        "Switch a light on or off and dim it|Control the lights of a room",
        "the light|lights please:|about the lamp|set the light",
        A("room|location|area", _ROOM, "in the {}", "In which room?"),
        A("on|is_on|state_on", flag(), "on|off", "On or off?"),
        A("brightness|level?", whole(1, 100, bounded=True), "at {} percent|at {}% brightness"),
    ),
    T(
        "send_email|mail_send|sendMail",
        "Send an e-mail|Write and send a mail to people",
        "send an e-mail|write a mail|mail|please email",
        A("to|recipients|addresses", many(mail(), 3), "to {}", "To whom?"),
        A(
            "subject|title",
            one_of("budget|holiday plans|next week|the contract|invoice 12|team lunch"),
            "about {}|with the subject {}",
            "What is the subject?",
        ),
        A("body|text|message?", NOTE, "saying {}|with the text {}"),
        A("urgent|high_priority?", flag(), "marked urgent|not urgent"),
    ),
    T(
        "send_message|sms|text_person|sendText",
        "Send a short message to a person|Text someone",
        "text|send a message|message|drop a line",
        A("to|recipient|contact", PERSON, "to {}|{}", "To whom?"),
        A("text|message|body", NOTE, "saying {}|that {}", "What should it say?"),
    ),
    T(
        "create_reminder|remind|setReminder",
        "Set a reminder for a date and time|Remind the user of something",
        "remind me|set a reminder|please remind me|I need a reminder",
        A("about|text|what", NOTE, "that {}", "Of what?"),
        A("date|day|on_date", day(), "on {}", "On which day?", "YYYY-MM-DD"),
        A("time|at|clock?", clock(), "at {}"),
    ),
    T(
        "add_to_shopping_list|list_add|shopping.add",
        "Put things on the shopping list|Add items to a shopping list",
        "put on the shopping list|add to my shopping list:|we need|on the shopping list please:",
        A("items|things|products", many(THING), "{}", "What should go on the list?"),
    ),
    T(
        "place_order|create_order|order.create|submitOrder",
        "Order goods for a customer|Create an order with its lines",
        "order|place an order of|I would like to buy|please order",
        A("lines|items|order_lines", many(_LINE, 3), "{}", "What do you want to order?"),
        A("customer|name|client", PERSON, "for {}", "For which customer?"),
        A("express|fast_delivery?", flag(), "with express delivery|without express delivery"),
    ),
    T(
        "track_parcel|parcel_status|trackShipment",
        "Tell where a parcel is|Status of a shipment",
        "where is the parcel|track the shipment|what is the status of parcel|has my parcel arrived, number",
        A("tracking_number|parcel_id|shipment", code("PX"), "{}", "What is its number?"),
        A("carrier|company?", choice("dhl|ups|fedex|posten|gls"), "sent with {}|from {}"),
    ),
    T(
        "book_flight|flight.book|reserveFlight",
        "Book a flight between two cities|Reserve plane tickets",
        "book a flight|I need to fly|get me plane tickets|reserve a flight",
        A("origin|from_city|departure", CITY, "from {}", "From where?"),
        A("destination|to_city|arrival", CITY, "to {}", "Where to?"),
        A("date|departure_date|day", day(), "on {}", "On which date?", "YYYY-MM-DD"),
        A("passengers|travellers?", whole(1, 6), "for {} people|for {} passengers"),
        A("cabin|seat_class?", choice("economy|premium_economy|business|first"), "in {} class|in {}"),
    ),
    T(
        "find_trains|train_search|trains.search",
        "Find trains between two stations|Search train connections",
        "find trains|which trains go|search for a train|are there trains",
        A("from|origin|from_station", CITY, "from {}", "From where?"),
        A("to|destination|to_station", CITY, "to {}", "Where to?"),
        A("after|earliest|depart_after?", clock(), "after {}|leaving after {}"),
        A("direct|direct_only?", flag(), "without changes|with changes allowed"),
    ),
    T(
        "reserve_table|book_restaurant|restaurant.reserve",
        "Reserve a table at a restaurant|Book a table",
        "book a table|reserve a table|I want to eat out, table please|get us a table",
        A(
            "restaurant|place|venue",
            one_of("Luigi's|The Blue Door|Sakura|Casa Verde|Old Mill|Chez Anne|Taverna Nikos|Green Leaf"),
            "at {}",
            "At which restaurant?",
        ),
        A("people|guests|party_size", whole(1, 12), "for {}|for {} people", "For how many people?"),
        A("time|at|hour", clock(), "at {}", "At what time?"),
        A("outside|terrace?", flag(), "on the terrace|inside"),
    ),
    T(
        "invite_guests|event.invite|sendInvitations",
        "Invite guests to an event|Send invitations",
        "invite|send invitations to|please invite|put on the guest list",
        A("guests|people|invitees", many(_GUEST, 3), "{}", "Whom?"),
        A(
            "event|event_name|occasion",
            one_of("the summer party|the workshop|the board dinner|the opening|the book club"),
            "to {}",
            "To which event?",
        ),
    ),
    T(
        "play_song|play_music|music.play",
        "Play a song|Start music",
        "play|put on|I want to hear|start the song",
        A("title|song|track", TITLE, "{}", "Which song?"),
        A("artist|by|singer?", PERSON, "by {}"),
        A("device|speaker|player?", _ROOM, "on the {} speaker|in the {}"),
        A("volume|loudness?", whole(0, 10, bounded=True), "at volume {}"),
    ),
    T(
        "translate_text|translate|translator.run",
        "Translate a text into another language|Translation of a text",
        "translate|how do you say|give me a translation of|put",
        A("text|phrase|sentence", NOTE, '"{}"', "Which text?"),
        A("target_language|language|to", _LANGUAGE, "into {}|in {}", "Into which language?"),
    ),
    T(
        "calculate_area|rectangle_area|geometry.rectangle",
        "Area of a rectangle|Calculate the area of a rectangle",
        "what is the area of a rectangle|calculate a rectangle's area|area of a rectangle",
        A("width|a|side_a", real(1, 90), "{} wide|with width {}", "How wide?"),
        A("height|b|length", real(1, 90), "and {} high|and height {}", "How high?"),
        A("unit|units?", choice({"metres": "m", "centimetres": "cm", "feet": "ft"}), "in {}"),
    ),
    T(
        "distance_between|points_distance|calcDistance",
        "Distance between two points of a plane|Euclidean distance of two points",
        "what is the distance|how far is it|calculate the distance",
        A("start|point_a|p1", _POINT, "from {}", "From which point?"),
        A("end|point_b|p2", _POINT, "to {}", "To which point?"),
    ),
    T(
        "mean_of|average|stats.mean",
        "Mean of a list of numbers|Average of numbers",
        "what is the average|calculate the mean|give me the average|mean please:",
        A("numbers|values|data", many(real(0, 200), 6), "of {}", "Of which numbers?"),
    ),
    T(
        "compound_interest|investment_value|finance.compound",
        "Value of an investment after some years|Compute compound interest",
        "how much will I have if I invest|compute the compound interest on|value of an investment of",
        A("principal|amount|capital", real(100, 90000, 0), "{}", "How much is invested?"),
        A(
            "rate|interest_rate|annual_rate",
            real(0.5, 12),
            "at {} percent|at a rate of {} percent",
            "At which rate?",
            "in percent",
        ),
        A("years|duration|n_years", whole(1, 40), "for {} years|over {} years", "For how many years?"),
    ),
    T(
        "loan_payment|monthly_payment|mortgage.payment",
        "Monthly payment of a loan|How much a loan costs a month",
        "what is the monthly payment|how much do I pay a month|monthly rate",
        A("loan|principal|amount", real(1000, 400000, 0), "for a loan of {}|on {}", "How large is the loan?"),
        A("annual_rate|rate|interest", real(0.5, 9), "at {} percent", "At which rate?", "percent a year"),
        A("months|term|term_months", whole(12, 360), "over {} months|in {} months", "Over how many months?"),
    ),
    T(
        "log_workout|workout_add|fitness.log",
        "Record a workout|Log sports activity",
        "log|record|I did some|add a workout:",
        A("activity|sport|kind", _ACTIVITY, "{}", "Which sport?"),
        A("minutes|duration|duration_min", whole(5, 180), "for {} minutes", "For how many minutes?"),
        A("distance_km|km?", real(1, 40, 1), "covering {} km|over {} kilometres"),
    ),
    T(
        "find_recipes|recipe_search|recipes.find",
        "Find recipes with some ingredients|Search recipes",
        "find recipes|what can I cook|search a recipe|give me recipes",
        A("ingredients|include|with_items", many(THING), "with {}", "With which ingredients?"),
        A("vegetarian|meat_free?", flag(), "that are vegetarian|with meat allowed"),
        A("max_minutes|time_limit?", whole(10, 90), "in under {} minutes|in at most {} minutes"),
    ),
    T(
        "search_articles|news_search|articles.query",
        "Search news articles|Find articles about a topic",
        "find articles|search the news|are there articles|look up news",
        A("topic|query|subject", TOPIC, "about {}|on {}", "About which topic?"),
        A("since|from_date|after?", day(), "since {}|after {}", note="YYYY-MM-DD"),
        A("limit|max_results|count?", whole(1, 20), "at most {} of them|no more than {}"),
        A("sort|order_by?", choice("newest|relevance|popularity"), "sorted by {}"),
    ),
    T(
        "create_user|add_account|users.create|registerUser",
        "Create a user account|Register a new user",
        "create an account|register a user|add a user|set up a new account",
        A("name|full_name|user_name", PERSON, "for {}", "For whom?"),
        A(
            "email|mail|email_address",
            mail(),
            "with the address {}|with e-mail {}",
            "With which e-mail address?",
        ),
        A("roles|groups?", many(choice("admin|editor|viewer|billing"), 2), "as {}|with the roles {}"),
        A("active|enabled?", flag(), "active at once|not yet active"),
    ),
    T(
        "delete_file|remove_file|fs.delete",
        "Delete a file|Remove a file from disk",
        "delete|remove the file|get rid of|please delete the file",
        A(
            "path|file|filename",
            one_of("notes.txt|/tmp/old.log|report.pdf|photos/cat.png|draft.docx|data/2024.csv|backup.zip"),
            "{}",
            "Which file?",
        ),
        A("force|no_confirm?", flag(), "without asking|but ask first"),
    ),
    T(
        "run_query|sql_count|db.count_rows",
        "Count rows of a database table that meet conditions|Count records of a table",
        "count the rows|how many records are there|count records",
        A(
            "table|table_name",
            one_of("orders|customers|invoices|products|visits|tickets"),
            "of {}|in table {}",
            "Of which table?",
        ),
        A(
            "filters|where|conditions?",
            many(
                record(
                    "{column} {operator} {value}",
                    column=choice("price|age|year|total"),
                    operator=choice({"above": ">", "below": "<", "equal to": "="}),
                    value=whole(1, 3000),
                ),
                2,
            ),
            "with {}|where {}",
        ),
    ),
    T(
        "hotel_search|find_hotels|searchHotel",
        "Find hotels in a city|Search for a hotel",
        "find a hotel|search hotels|I need a room|which hotels are there",
        A("city|location|where", CITY, "in {}", "In which city?"),
        A("check_in|arrival|from_date", day(), "from {}", "From which day?", "YYYY-MM-DD"),
        A("nights|stay|duration", whole(1, 14), "for {} nights", "For how many nights?"),
        A("max_price|budget?", real(40, 400, 0), "for at most {} a night|under {} a night"),
        A("amenities|facilities?", many(choice("wifi|pool|parking|gym|breakfast"), 3), "with {}"),
    ),
    T(
        "stock_price|quote|market.quote",
        "Price of a share|Current quote of a stock",
        "what is the price of|quote for|how much is a share of|stock price of",
        A(
            "symbol|ticker|stock",
            one_of("AAPL|MSFT|TSLA|NVDA|SAP|BMW|SHEL|NESN|ASML|SONY"),
            "{}",
            "Of which stock?",
        ),
        A("currency|in_currency?", _currency(), "in {}"),
    ),
    T(
        "open_ticket|create_issue|support.open",
        "Open a support ticket|Report a problem to support",
        "open a ticket|report a problem|create an issue|file a bug",
        A(
            "title|summary|problem",
            one_of(
                "the printer is jammed|login fails|the page is blank|export crashes|no sound|wrong totals"
            ),
            ": {}|that {}",
            "What is the problem?",
        ),
        A(
            "priority|severity|level",
            choice("low|medium|high|critical"),
            "with {} priority|priority {}",
            "Which priority?",
        ),
        A("assignee|assigned_to|owner?", PERSON, "for {}|assigned to {}"),
    ),
    T(
        "schedule_delivery|delivery_book|deliveries.schedule",
        "Have something delivered to an address|Schedule a delivery",
        "deliver|schedule a delivery of|send|have delivered:",
        A("item|goods|product", THING, "{}", "What is to be delivered?"),
        A("address|destination|to", _ADDRESS, "to {}", "To which address?"),
        A("date|day|on?", day(), "on {}", note="YYYY-MM-DD"),
    ),
    T(
        "set_alarm|alarm.create|wakeUp",
        "Set an alarm|Wake the user",
        "set an alarm|wake me up|alarm please|I must get up",
        A("time|at|when", clock(), "at {}|for {}", "For what time?"),
        A(
            "days|weekdays|repeat?",
            many(choice("monday|tuesday|wednesday|thursday|friday|saturday|sunday"), 3),
            "on {}|every {}",
        ),
    ),
    T(
        "rate_film|movie_rating|ratings.add",
        "Rate a film|Save a rating for a film",
        "rate|I give|save a rating for|put down a rating for",
        A("title|film|movie", TITLE, "{}", "Which film?"),
        A("stars|rating|score", whole(1, 5, bounded=True), "with {} stars|{} out of 5", "How many stars?"),
    ),
    T(
        "measure_bmi|bmi|health.bmi",
        "Body mass index|Calculate the BMI of a person",
        "what is the body mass index|calculate my BMI|BMI please",
        A("weight_kg|weight|mass", real(45, 120, 1), "with {} kg|at {} kilos", "What is the weight?"),
        A(
            "height_cm|height|size_cm",
            whole(150, 205),
            "and {} cm|and a height of {} cm",
            "What is the height?",
        ),
    ),
)

UNSEEN: tuple[Spec, ...] = (
    T(
        "rent_car|car_rental.book",
        "Rent a car|Book a rental car",
        "rent a car|I need a rental car|book a car",
        A("city|pickup_city", CITY, "in {}", "In which city?"),
        A("start|pickup_date", day(), "from {}", "From which day?", "YYYY-MM-DD"),
        A("days|rental_days", whole(1, 20), "for {} days", "For how many days?"),
        A("type|car_type?", choice("compact|suv|van|convertible"), "of type {}|preferably a {}"),
        A("insurance|insured?", flag(), "with insurance|without insurance"),
    ),
    T(
        "triangle_area|geometry.triangle",
        "Area of a triangle|Calculate a triangle's area",
        "what is the area of a triangle|area of a triangle|compute a triangle's area",
        A("base|b", real(1, 80), "with base {}", "How long is the base?"),
        A("height|h", real(1, 80), "and height {}", "How high is it?"),
    ),
    T(
        "water_plants|garden.water",
        "Water a part of the garden|Start the watering of a garden bed",
        "water|start watering|please water",
        A("bed|zone", choice("roses|lawn|herbs|vegetables|hedge"), "the {}", "Which bed?"),
        A("minutes|duration", whole(2, 45), "for {} minutes", "For how long?"),
    ),
    T(
        "transfer_money|bank.transfer",
        "Transfer money to somebody|Send money from an account",
        "transfer|send|pay",
        A("amount|sum", real(1, 4000), "{}", "How much?"),
        A(
            "currency|cur",
            choice({"euros": "EUR", "dollars": "USD", "pounds": "GBP"}),
            "{}",
            "Which currency?",
        ),
        A("to|recipient", PERSON, "to {}", "To whom?"),
        A(
            "reference|purpose?",
            one_of("rent|the tickets|dinner|invoice 7|the gift"),
            "for {}|with the reference {}",
        ),
    ),
    T(
        "tag_photos|album.tag",
        "Put tags on photos of an album|Tag photos",
        "tag the photos|put tags on the pictures|label the photos",
        A(
            "album|folder",
            one_of("Summer|Wedding|Garden|Norway|Family"),
            "in the album {}|of album {}",
            "In which album?",
        ),
        A(
            "tags|labels",
            many(one_of("beach|sunset|friends|food|mountains|dog|snow")),
            "with {}|as {}",
            "With which tags?",
        ),
    ),
    T(
        "library_search|books.find",
        "Search for books in a library|Find books",
        "find books|search the library for books|look for books",
        A("author|writer?", PERSON, "by {}"),
        A("subject|topic", TOPIC, "about {}", "About what?"),
        A("year_from|published_after?", whole(1950, 2020), "published after {}|from {} on"),
        A("available|in_stock?", flag(), "that are available now|available or not"),
    ),
    T(
        "schedule_meeting|calendar.meet",
        "Schedule a meeting with people|Plan a meeting",
        "schedule a meeting|plan a meeting|set up a meeting",
        A("people|attendees", many(PERSON, 3), "with {}", "With whom?"),
        A("date|day", day(), "on {}", "On which day?", "YYYY-MM-DD"),
        A("start|time", clock(), "at {}", "At what time?"),
        A("room|place?", choice("blue|green|red|attic"), "in the {} room"),
    ),
    T(
        "paint_shape|canvas.draw",
        "Draw a shape at a point of the canvas|Paint a shape",
        "draw|paint|put on the canvas:",
        A("shape|form", choice("circle|square|star|arrow"), "a {}", "Which shape?"),
        A("position|at", _POINT, "at {}", "Where?"),
        A("colour|color?", choice("red|green|blue|black|orange"), "in {}"),
        A("filled|solid?", flag(), "filled|not filled"),
    ),
    T(
        "hours_of_sleep|sleep.log",
        "Record how long somebody slept|Log sleep",
        "log my sleep:|record that I slept|I slept",
        A("hours|duration", real(3, 11, 1), "{} hours", "How many hours?"),
        A("date|night?", day(), "on {}", note="YYYY-MM-DD"),
        A("quality|rating?", choice("bad|fair|good|great"), "and it was {}"),
    ),
)


def definition(
    spec: Spec, name: str, words: str, names: list[str], *, described: bool, plain_dates: bool
) -> dict[str, Any]:
    """The tool as OpenAI writes it.

    Args:
        names: of the arguments, in their order.
        described: whether arguments have descriptions.
        plain_dates: dates are texts, their form in the description alone.
    """
    properties = {}
    for argument, key in zip(spec.arguments, names, strict=True):
        schema = dict(argument.kind.schema)
        if plain_dates:
            schema.pop("format", None)
        note = argument.note or (argument.names[0].replace("_", " ") if described else "")
        if note and "description" not in schema:
            schema["description"] = note
        properties[key] = schema
    required = [key for argument, key in zip(spec.arguments, names, strict=True) if not argument.optional]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": words, "parameters": parameters}
