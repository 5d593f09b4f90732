"""Experts that may stand in the planner's registry and what they serve: it reads summaries, not names."""

from dataclasses import dataclass

from training.words import lines

ORGANIZER = "calendar events, reminders, alarms, lists and mail drafts"
TABLES = "questions about the rows of a table file (CSV, Parquet, SQLite)"

# The two real experts under other names and words, now and then: kind | name | summary.
RENAMED = """
organizer | assistant | calendar, reminders, alarm clock, to-do and shopping lists, mail drafts
organizer | secretary | appointments, reminders, alarms, lists and e-mail drafts
organizer | planner_desk | keeps calendar events, alarms, reminders, lists and drafts of mails
organizer | pim | personal information: events, reminders, alarms, lists, mail drafts
tables | csv | answers questions about CSV, Parquet and SQLite files
tables | data | queries over the rows of a data file
tables | analyst | counts, sums and lookups in table files
tables | spreadsheet | questions about the contents of a spreadsheet or table file
"""
OTHER_NAMES: dict[str, list[tuple[str, str]]] = {}
for _line in RENAMED.strip().splitlines():
    _kind, _name, _summary = _line.split(" | ")
    OTHER_NAMES.setdefault(_kind, []).append((_name, _summary))


@dataclass(frozen=True)
class Other:
    """A distractor: possible names and summaries, intents of HWU64 and CLINC150 that it serves, templates."""

    names: tuple[str, ...]
    summaries: tuple[str, ...]
    intents: tuple[str, ...] = ()
    templates: str = ""
    answers: bool = False  # whether it gives a result that another step can use
    dev: bool = False  # whether it is kept for the development rows


# One block each: names and flags; then summaries, intents of the public data, and templates.
BLOCKS = """
weather/forecast/meteo answers
says: weather reports and forecasts|current weather and forecasts for any place|temperature, rain and wind
intents: weather_query weather

music/player/jukebox
says: plays songs, playlists and radio|music playback|songs, podcasts and radio stations
intents: play_music music_query play_radio play_podcasts next_song what_song

smart_home/house/iot
says: lights, plugs, heating and household devices|controls the smart home|switches lights and devices
intents: iot_hue_lightoff iot_hue_lightchange iot_hue_lightup iot_cleaning iot_wemo_on iot_wemo_off
  iot_coffee smart_home

translator/translate/languages answers
says: translates text between languages|translations|translation of words and sentences
intents: translate
asked: translate {b} into {l}|how do you say thank you in {l}|what is good night in {l}

travel/trips/booking
says: flights, trains, hotels and tickets|books travel|searches and books flights and hotels
intents: transport_ticket book_flight book_hotel flight_status transport_query car_rental
asked: book a flight to {c} for Friday|find a hotel in {c} near the station
  find me a train from {c} to Rome

banking/bank/accounts answers
says: bank accounts, transfers and cards|balances, transfers and bills|banking questions and payments
intents: balance transfer transactions freeze_account pay_bill bill_balance spending_history

news/headlines answers
says: latest news|news and headlines by topic
intents: news_query

recipes/chef/cooking answers
says: recipes and cooking questions|how to cook dishes
intents: cooking_recipe recipe ingredients_list cook_time meal_suggestion

food/delivery
says: orders food and takeaway|food delivery
intents: takeaway_order takeaway_query

navigation/maps/routes answers
says: directions, distances and traffic|routes and traffic
intents: transport_traffic directions traffic distance

calculator/maths answers
says: arithmetic and unit conversion|calculations
intents: qa_maths calculator measurement_conversion
asked: what is {n} times {m}|convert {n} miles to kilometers|what is {n} percent of {m}

stocks/markets answers
says: stock prices and exchange rates|share prices and currencies
intents: qa_stock qa_currency exchange_rate

social/posts
says: posts on social media|social networks: posts and messages
intents: social_post

phone/calls
says: phone calls and text messages|calls people and sends texts
intents: make_call text
asked: call {p}|text {p} that I'm late|send an SMS to {p}

knowledge/facts/encyclopedia answers
says: general knowledge questions|facts about people, places and history
intents: qa_factoid qa_definition definition

code/coder answers
says: writes and explains program code|programming help
asked: write a python function that reverses a string|fix the failing test in my script
  explain this regular expression|write a bash script that renames files
  write a unit test for the parser|refactor my JavaScript code|write a SQL migration

writer/copywriter answers
says: writes and rewrites longer texts|essays, poems and summaries
asked: write a poem about {c}|summarize this article|write a short story about a dragon
  rewrite my cover letter|write a slogan for a bakery

images/painter
says: draws and edits pictures|image generation
asked: draw a cat in a hat|make a logo for my shop|generate a picture of {c} at night
  remove the background from my photo

hr/payroll answers
says: vacation days, pay and benefits|HR questions
intents: pto_balance payday pto_used income w2 insurance

car/vehicle
says: car maintenance and fuel|questions about your car
intents: gas oil_change_how tire_pressure mpg last_maintenance

movies/cinema held-out
says: film recommendations and show times|movies and cinema
intents: recommendation_movies

places/local held-out
says: restaurants, shops and sights nearby|finds places
intents: recommendation_locations restaurant_suggestion restaurant_reviews

jokes/fun
says: jokes and games|entertainment
intents: general_joke tell_joke play_game

taxi/rides held-out
says: orders a taxi or ride|books rides
intents: transport_taxi uber

clock/worldtime answers
says: the current time and time zones|time and date anywhere
intents: datetime_query datetime_convert time timezone

volume/sound held-out
says: speaker volume|loudness of the device
intents: audio_volume_up audio_volume_down audio_volume_mute
"""


def _other(block: str) -> Other:
    head, *rest = block.strip().replace("\n  ", "|").splitlines()
    names, *flags = head.split()
    parts = dict(line.split(": ", 1) for line in rest)
    return Other(
        tuple(names.split("/")),
        lines(parts["says"]),
        tuple(parts.get("intents", "").replace("|", " ").split()),
        parts.get("asked", ""),
        "answers" in flags,
        "held-out" in flags,
    )


OTHERS = tuple(_other(block) for block in BLOCKS.split("\n\n"))
