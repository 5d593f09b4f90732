"""Tools composed by lot: an action on a thing with arguments of a pool, so that no two toolsets are alike."""

import random
import re
from dataclasses import replace

from training.caller_catalogue import Argument, Spec
from training.caller_values import (
    CITY,
    NAMES,
    THING,
    TOPIC,
    Kind,
    Said,
    choice,
    clock,
    code,
    day,
    flag,
    mail,
    many,
    one_of,
    real,
    whole,
)

FIRST = (
    "Nora|Elif|Jonas|Petra|Akira|Fatima|Diego|Carla|Samuel|Ruth|Viktor|Ingrid|Pavel|Leila|Marcus|Hannah|"
    "Tomás|Priya|Owen|Chloe|Dmitri|Aisha|Felix|Greta|Hassan|Irene|Jorge|Kim|Laura|Milan|Oscar|Paula"
)
LAST = (
    "Hartmann|Okafor|Lindqvist|Moreau|Tanaka|Delgado|Kowalski|Fischer|Nguyen|O'Brien|Castillo|Yilmaz|Keller|"
    "Petersen|Romano|Ivanova|Andersson|Mbeki|Sato|Fernandes|Walsh|Novotny|Haas|Rahman|Sørensen|Dubois|Clarke"
)
STREETS = "Mill|Station|Harbour|Oak|King|Church|Garden|Bridge|Market|River|Park|Hill"
COUNTRIES = "Norway|France|Japan|Brazil|Kenya|Canada|Italy|Greece|Vietnam|Chile|Iceland|Morocco|India|Peru"
BRANDS = "Norvik|Altea|Bremont|Solis|Kestrel|Quanta|Meridian|Lumo|Vanta|Orbis|Tessera|Polar|Zephyr|Corvo"
FRONTS = "Golden|Old|Silent|Lucky|Red|Royal|Little|Hidden|Northern|Crystal|Green|Broken|Summer"
COLOURS = "red|green|blue|black|white|silver|yellow|orange|purple|brown|turquoise"
REASONS = (
    "it is too expensive|the wrong size|a change of plans|the weather|a broken screen|a missing part|"
    "the old one failed|it came too late|a family visit|maintenance|a double booking|poor quality"
)


def _person() -> Kind:
    def make(rng: random.Random) -> Said:
        known = rng.random() < 0.3
        made = f"{rng.choice(FIRST.split('|'))} {rng.choice(LAST.split('|'))}"
        name = rng.choice(NAMES.split("|")) if known else made
        return name, name

    return Kind({"type": "string"}, make)


def _street() -> Kind:
    def make(rng: random.Random) -> Said:
        kind = rng.choice(["Street", "Road", "Lane", "Avenue", "Square"])
        said = f"{rng.randint(1, 240)} {rng.choice(STREETS.split('|'))} {kind}"
        return said, said

    return Kind({"type": "string"}, make)


def _phone() -> Kind:
    def make(rng: random.Random) -> Said:
        said = f"{rng.randint(200, 999)}-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
        return said, said

    return Kind({"type": "string"}, make)


def _made_name(ends: str) -> Kind:
    """A name that no text has, of a place or a work."""

    def make(rng: random.Random) -> Said:
        front, end = rng.choice(FRONTS.split("|")), rng.choice(ends.split("|"))
        said = f"{rng.choice(['', '', 'The '])}{front} {end}"
        return said, said

    return Kind({"type": "string"}, make)


COUNTRY, BRAND = one_of(COUNTRIES), one_of(BRANDS)
WORK = _made_name("River|Orchard|Mirror|Letters|Garden|Voyage|Promise|Winter|Machine|Island|Shadow|Song")
PLACE = _made_name("Lion|Anchor|Table|Court|House|Hall|Gate|Corner|Mill|Terrace|Kitchen|Palace")

ROLES = (
    "director|film_director|directed_by;directed by {}|made by director {};the director",
    "actor|starring|lead_actor;starring {}|with {} in it;an actor in it",
    "author|writer|written_by;written by {}|by the author {};who wrote it",
    "artist|performer|sung_by;performed by {}|sung by {};who performs it",
    "doctor|physician|doctor_name;with doctor {}|seen by doctor {};the doctor",
    "guide|tour_guide|guide_name;guided by {}|with {} as the guide;the guide",
    "owner|owned_by|holder;owned by {}|that belongs to {};whose it is",
    "customer|client|customer_name;for the customer {}|on behalf of {};the customer",
    "recipient|to_person|receiver;to {}|for {};who receives it",
    "teacher|instructor|trainer;taught by {}|with {} as the teacher;the teacher",
    "assignee|assigned_to|responsible;assigned to {}|to be done by {};who does it",
    "sender|from_person|requested_by;sent by {}|requested by {};who asks for it",
)
"""A person's part: names; clauses; note."""

ENUMS = (
    "colour|color;red|green|blue|black|white|silver|yellow;in {}|coloured {};the colour",
    "size|format_size;small|medium|large|extra large;in size {}|size {};the size",
    "priority|urgency;low|normal|high|critical;with {} priority|at {} priority;how urgent it is",
    "sort_by|order_by;price|distance|rating|date|name;sorted by {}|ordered by {};order of the results",
    "file_format|output_format;pdf|csv|json|html|xlsx;as {}|in {} format;format of the output",
    "payment_method|pay_with;credit card|cash|bank transfer|voucher;paid by {}|paying with {};how it is paid",
    "material|made_of;wood|steel|glass|cotton|leather|plastic;made of {}|in {};the material",
    "cuisine|food_type;thai|mexican|indian|italian|greek|ethiopian;with {} food|serving {};the cuisine",
    "genre|category_of_work;comedy|drama|thriller|horror|documentary|fantasy;of the genre {}|a {};the genre",
    "price_range|price_level;cheap|moderate|expensive|luxury;in the {} range|that is {};how expensive",
    "difficulty|level;beginner|intermediate|advanced|expert;for the {} level|at {} level;how hard it is",
    "season|time_of_year;spring|summer|autumn|winter;in {}|for {};the season",
    "status|state;open|pending|closed|archived|rejected;with status {}|that is {};its status",
    "vehicle_type|body_type;bicycle|scooter|truck|minibus|tractor;of type {}|a {};the vehicle",
    "seating_class|ticket_class;economy|premium economy|business|first class;in {}|travelling {};the class",
    "event_type|category;music|sports|theatre|comedy show|exhibition;of type {}|for {};what kind of event",
    "language|spoken_language;english|spanish|french|mandarin|arabic|russian;in {}|speaking {};the language",
    "frequency|repeat;daily|weekly|monthly|yearly;{}|repeated {};how often",
    "delivery|shipping;standard|express|overnight|pickup;with {} delivery|by {} shipping;how it is sent",
    "unit|units;metric|imperial;in {} units|using {} units;the units",
    "skin_type|hair_type;dry|oily|normal|sensitive;for {} skin|with {} skin;the skin",
    "fuel|energy_source;petrol|diesel|electric|hybrid|hydrogen;running on {}|with {} power;the fuel",
    "severity|damage_level;minor|moderate|severe|total;with {} damage|of {} severity;how bad it is",
    "view|outlook;sea|garden|city|mountain;with a {} view|facing the {};the view",
    "subtitles|caption_language;none|english|french|hindi;with {} subtitles|subtitles {};its subtitles",
    "department|team;sales|finance|support|legal|engineering;for the {} team|in {};the department",
    "blood_type|blood_group;a|b|ab|o;of blood group {}|with blood type {};the blood group",
    "mode|operation_mode;automatic|manual|eco|turbo;in {} mode|set to {};the mode",
)
"""Names; values; clauses; note. Each stands with some of its values."""

FLAGS = (
    "breakfast_included|with_breakfast;with breakfast|without breakfast;whether breakfast is included",
    "refundable|can_be_refunded;refundable|that need not be refundable;whether the money can come back",
    "wheelchair_accessible|step_free;accessible by wheelchair|wheelchairs do not matter;step-free access",
    "pets_allowed|pet_friendly;pets allowed|no pets;whether pets may come",
    "non_stop|direct_only;non-stop|stops are fine;without a stop on the way",
    "include_tax|with_tax;including tax|before tax;whether tax counts",
    "notify|send_notification;and notify me|without a notification;whether to tell the user",
    "outdoor|outdoor_seating;outdoors|indoors;whether it is outside",
    "dry_run|simulate;as a dry run|for real;only try it",
    "recursive|include_subfolders;with all subfolders|this folder only;whether folders within count",
    "smoking|smoking_allowed;smoking allowed|non-smoking;whether one may smoke",
    "gift_wrap|wrapped;gift wrapped|not wrapped;wrap it as a present",
    "live_music|has_live_music;with live music|without live music;whether a band plays",
    "overwrite|replace_existing;overwriting what is there|keeping what is there;replace an older one",
    "insured|add_insurance;insured|uninsured;whether it is insured",
    "return_trip|round_trip;there and back|one way;whether to come back",
    "furnished|has_furniture;furnished|unfurnished;whether it has furniture",
    "is_private|private_visibility;kept private|open to everyone;who may see it",
    "vegan|vegan_only;vegan only|not only vegan;without animal products",
    "compressed|zip_output;compressed|uncompressed;make it smaller",
)
"""Names; said of true and of false; note."""

WHOLES = (
    "people|guests|party_size|number_of_people;1;12;for {} people|with {} of us;how many people",
    "copies|quantity|count;1;40;{} copies|{} times;how many",
    "nights|length_of_stay;1;14;for {} nights|staying {} nights;how many nights",
    "minutes|duration_minutes;5;180;for {} minutes|lasting {} minutes;how long, in minutes",
    "hours|duration_hours;1;24;for {} hours|lasting {} hours;how long, in hours",
    "max_results|limit;1;50;at most {} results|no more than {} of them;most results",
    "bedrooms|number_of_bedrooms|beds;1;6;with {} bedrooms|having {} bedrooms;how many bedrooms",
    "bags|checked_bags|luggage_count;0;5;with {} bags|checking {} bags;pieces of luggage",
    "age|patient_age|years_old;1;95;aged {}|who is {} years old;the age in years",
    "floor|storey;0;40;on floor {}|on level {};the floor",
    "year|released_in|year_built;1920;2026;from the year {}|of {};the year",
    "seats|number_of_seats;1;9;with {} seats|for {} seats;how many seats",
    "weeks|course_weeks;1;52;over {} weeks|for {} weeks;how many weeks",
    "stars|min_stars;1;5;with at least {} stars|rated {} stars;fewest stars",
    "retries|max_attempts;0;10;with {} retries|trying {} times;how often to try again",
    "threshold_percent|percentage;1;100;at {} percent|above {}%;a share in percent",
)
REALS = (
    "max_price|budget|price_limit;20;900;0;for at most {} euros|under {} dollars;highest price",
    "weight_kg|weight;0.5;90;1;weighing {} kg|of {} kilos;the weight in kilograms",
    "radius_km|within_km|distance;0.5;80;1;within {} km|in a radius of {} kilometres;how far away",
    "temperature|target_temperature;-20;90;1;at {} degrees|heated to {} degrees;temperature in Celsius",
    "length_m|length;1;300;1;{} metres long|with a length of {} m;the length in metres",
    "width_m|width;1;90;1;{} metres wide|with a width of {} m;the width in metres",
    "speed_kmh|speed;5;240;0;at {} km/h|going {} km/h;the speed",
    "interest_rate|annual_rate;0.5;12;2;at a rate of {} percent|with {}% interest;the rate in percent",
    "deposit|down_payment;50;9000;0;with a deposit of {}|paying {} up front;money at the beginning",
    "dose_mg|dosage;1;500;1;of {} mg|with a dose of {} milligrams;the dose",
    "min_rating|rating;1;10;1;rated {} or better|with a rating above {};lowest rating",
    "area_m2|floor_area;20;400;0;of {} square metres|with {} m2;the area",
)
"""Names; least; most; (digits;) clauses; note."""

TEXTS: tuple[tuple[str, Kind, str, str], ...] = (
    ("city|town|location|where", CITY, "in {}|located in {}|near {}", "name of the city"),
    (
        "origin|from_city|leaving_from|starting_point",
        CITY,
        "from {}|leaving from {}|starting in {}",
        "origin",
    ),
    ("destination|to_city|going_to|arrival_city", CITY, "to {}|going to {}|heading for {}", "destination"),
    ("country|nation", COUNTRY, "in {}|from {}", "the country"),
    ("brand|manufacturer|maker", BRAND, "from {}|made by {}|of the brand {}", "who makes it"),
    ("provider|company|operator", BRAND, "with {}|through {}|run by {}", "the company"),
    ("title|name_of_work|work_title", WORK, "called {}|with the title {}|named {}", "its title"),
    ("venue|place_name|establishment", PLACE, "at {}|at the place called {}", "name of the place"),
    ("address|street_address|delivery_address", _street(), "at {}|to the address {}", "street and number"),
    (
        "phone|phone_number|contact_number",
        _phone(),
        "with the phone number {}|reachable at {}",
        "phone number",
    ),
    ("email|contact_email|reply_to", mail(), "with the e-mail {}|write back to {}", "e-mail address"),
    ("order_id|reference|booking_code", code("RX"), "with the number {}|under reference {}", "its number"),
    ("serial|device_id|asset_tag", code("SN"), "with serial {}|for device {}", "the serial number"),
    ("topic|subject|theme", TOPIC, "about {}|on the topic of {}|on {}", "what it is about"),
    ("reason|cause|justification", one_of(REASONS), "because of {}|the reason is {}", "why"),
    ("date|day|on_date|scheduled_for", day(), "on {}", "YYYY-MM-DD"),
    ("start_date|from_date|check_in|begins", day(), "from {}|starting {}", "first day, YYYY-MM-DD"),
    ("end_date|until|check_out|return_date", day(), "until {}|ending {}", "last day, YYYY-MM-DD"),
    ("time|at_time|start_time|hour", clock(), "at {}|starting at {}", "as HH:MM"),
    ("end_time|closing_time|finish_by", clock(), "until {}|finishing by {}", "end, as HH:MM"),
    (
        "tags|labels|keywords",
        many(one_of("new|urgent|garden|travel|sale|winter|team|draft"), 3),
        "tagged {}",
        "tags",
    ),
    ("cities|stops|via", many(CITY, 3), "by way of {}|with stops in {}", "places on the way"),
    (
        "people|participants|members",
        many(_person(), 3),
        "together with {}|with the members {}",
        "who takes part",
    ),
    ("topics|subjects|interests", many(TOPIC, 4), "about {}|interested in {}", "what it is about"),
    ("brands|makers|manufacturers", many(BRAND, 4), "made by {}|from the brands {}", "who makes them"),
    ("titles|works|playlist", many(WORK, 3), "with the titles {}|including {}", "titles"),
    ("items|products|contents", many(THING, 5), "with {}|containing {}", "what is in it"),
    ("emails|recipients|send_to", many(mail(), 3), "copied to {}|to be sent to {}", "e-mail addresses"),
    ("codes|references|serials", many(code("K"), 3), "for the numbers {}|under {}", "their numbers"),
    ("days|dates|on_days", many(day(), 3), "on the days {}|for {}", "days, YYYY-MM-DD"),
    ("colours|colors", many(one_of(COLOURS), 4), "in {}|in the colours {}", "colours"),
    (
        "readings|values|measurements",
        many(real(0, 200), 5),
        "with the values {}|from the numbers {}",
        "numbers",
    ),
)
"""Names; kind; clauses; note."""

ACTIONS = (
    "find|search|look_up;find|search for|look for|I am looking for|I want to find",
    "book|reserve;book|reserve|I need|I would like to book",
    "create|add|register;create|add|register|set up",
    "cancel|delete|remove;cancel|delete|get rid of|I no longer need",
    "update|change|edit;update|change|edit|please correct",
    "check|get_status|inspect;check|inspect|what is the state of|have a look at",
    "order|buy|purchase;order|buy|I want to buy|get me",
    "estimate|calculate|price;estimate the cost of|calculate the price of|what would it cost to get",
    "list|show|get_all;list|show me|give me",
    "schedule|plan|arrange;schedule|plan|arrange|set a date for",
    "rent|hire|lease;rent|hire|lease|I would like to rent",
    "review|rate|score;review|rate|leave a rating for",
    "export|download|print;export|download|print",
    "start|launch|run;start|launch|run",
)
THINGS = (
    "boat|tennis court|museum ticket|yoga class|invoice|parking spot|locker|drone flight|podcast|"
    "language course|exam|job advert|vaccination|warranty claim|subscription|gift card|city tour|"
    "ferry ticket|crane|warehouse slot|prescription|blood test|contract|apartment|villa|insurance claim|"
    "tax form|bus ticket|tyre change|bicycle|charging station|satellite image|chemical sample|data set|"
    "backup|server|certificate|firewall rule|film|concert|play|novel|documentary|therapist|dentist|"
    "hairdresser|plumber|babysitter|restaurant|hostel|campsite|cooking class|swimming lane|"
    "conference room|wedding cake|bouquet|laptop|sofa|washing machine|solar panel|heat pump|"
    "fishing licence|shuttle|cruise|sleeper train|festival pass|escape room|gym plan|meal plan|"
    "research paper|survey|newsletter|web page|video|painting|sculpture|auction lot|aquarium|greenhouse|"
    "beehive"
)
STYLES = ("{a}_{t}", "{a}{T}", "{t}.{a}", "{A}{T}", "{a}_{t}_data", "{t}_{a}")


def _argument(names: str, kind: Kind, clauses: str, note: str) -> Argument:
    first = names.split("|")[0].replace("_", " ")
    return Argument(
        tuple(names.split("|")), kind, tuple(clauses.split("|")), False, f"What is the {first}?", note
    )


def _enum(line: str, rng: random.Random) -> Argument:
    names, values, clauses, note = line.split(";")
    words = values.split("|")
    kept = rng.sample(words, rng.randint(2, len(words)))
    style, blank = rng.choice((str.lower, str.lower, str.title, str.upper)), rng.choice(" _")
    return _argument(names, choice({word: style(word).replace(" ", blank) for word in kept}), clauses, note)


def pool(rng: random.Random) -> list[Argument]:
    """All arguments in all their wordings, each enum with values of its own."""
    found = [_argument(names, kind, clauses, note) for names, kind, clauses, note in TEXTS]
    for line in ROLES:
        names, clauses, note = line.split(";")
        found.append(_argument(names, _person(), clauses, note))
    found += [_enum(line, rng) for line in ENUMS]
    for line in FLAGS:
        names, clauses, note = line.split(";")
        found.append(_argument(names, flag(), clauses, note))
    for line in WHOLES:
        names, low, high, clauses, note = line.split(";")
        found.append(_argument(names, whole(int(low), int(high)), clauses, note))
    for line in REALS:
        names, least, most, digits, clauses, note = line.split(";")
        found.append(_argument(names, real(float(least), float(most), int(digits)), clauses, note))
    return found


def _tool(rng: random.Random) -> Spec:
    action = rng.choice(ACTIONS)
    verbs, heads = (part.split("|") for part in action.split(";"))
    thing = rng.choice(THINGS.split("|"))
    joined = thing.replace(" ", "_")
    name = rng.choice(STYLES).format(
        a=(verb := rng.choice(verbs)), t=joined, A=_camel(verb), T=_camel(joined)
    )
    required = rng.choice([0, 1, 1, 2, 2, 3])
    described, camel, fronted = rng.random() < 0.6, rng.random() < 0.3, rng.random() < 0.25
    arguments: dict[str, Argument] = {}
    for number, argument in enumerate(rng.sample(pool(rng), rng.randint(1, 7))):
        key = rng.choice(argument.names)
        key = f"{joined}_{key}" if fronted and rng.random() < 0.5 else key
        key = _camel(key)[:1].lower() + _camel(key)[1:] if camel else key
        shown = described or "YYYY" in argument.note or "HH" in argument.note
        note = argument.note if shown else ""
        arguments[key] = replace(argument, names=(key,), note=note, optional=number >= required)
    article = "an" if thing[0] in "aeiou" else "a"
    said = f"{rng.choice(verbs).replace('_', ' ')} {article} {thing}"
    description = rng.choice((said.capitalize(), f"{said.capitalize()} for the user", f"Use this to {said}"))
    heads = [f"{head} {article} {thing}" for head in heads]
    return Spec((name,), (description,), tuple(heads), tuple(arguments.values()), said)


def _camel(name: str) -> str:
    return re.sub(r"(?:^|_)(\w)", lambda found: found[1].upper(), name)


def composed(count: int, rng: random.Random) -> tuple[Spec, ...]:
    """So many tools, each with arguments, names and values of its own."""
    return tuple(_tool(rng) for _ in range(count))
