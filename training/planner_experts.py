"""Experts that may stand in the planner's registry, with requests that they serve: the planner must read summaries, not know names."""

from dataclasses import dataclass

ORGANIZER = "calendar events, reminders, alarms, lists and mail drafts"
TABLES = "questions about the rows of a table file (CSV, Parquet, SQLite)"

# The two real experts under other names and words, now and then.
OTHER_NAMES = {
    "organizer": (
        ("assistant", "calendar, reminders, alarm clock, to-do and shopping lists, mail drafts"), ("secretary", "appointments, reminders, alarms, lists and e-mail drafts"),
        ("planner_desk", "keeps calendar events, alarms, reminders, lists and drafts of mails"), ("pim", "personal information: events, reminders, alarms, lists, mail drafts"),
    ),
    "tables": (
        ("csv", "answers questions about CSV, Parquet and SQLite files"), ("data", "queries over the rows of a data file"),
        ("analyst", "counts, sums and lookups in table files"), ("spreadsheet", "questions about the contents of a spreadsheet or table file"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Other:
    """A distractor expert: its possible names and summaries, data intents it serves, and templates."""

    names: tuple[str, ...]
    summaries: tuple[str, ...]
    intents: tuple[str, ...] = ()
    templates: str = ""
    dev: bool = False
    answers: bool = False  # whether it gives a result that another step can use


OTHERS = (
    Other(("weather", "forecast", "meteo"), ("weather reports and forecasts", "current weather and forecasts for any place", "temperature, rain and wind"), ("weather_query", "weather"), answers=True),
    Other(("music", "player", "jukebox"), ("plays songs, playlists and radio", "music playback", "songs, podcasts and radio stations"), ("play_music", "music_query", "play_radio", "play_podcasts", "next_song", "what_song")),
    Other(("smart_home", "house", "iot"), ("lights, plugs, heating and household devices", "controls the smart home", "switches lights and devices"), ("iot_hue_lightoff", "iot_hue_lightchange", "iot_hue_lightup", "iot_cleaning", "iot_wemo_on", "iot_wemo_off", "iot_coffee", "smart_home")),
    Other(("translator", "translate", "languages"), ("translates text between languages", "translations", "translation of words and sentences"), ("translate",), "translate {b} into {l}|how do you say thank you in {l}|what is good night in {l}", answers=True),
    Other(("travel", "trips", "booking"), ("flights, trains, hotels and tickets", "books travel", "searches and books flights and hotels"), ("transport_ticket", "book_flight", "book_hotel", "flight_status", "transport_query", "car_rental"), "book a flight to {c} for Friday|find a hotel in {c} near the station|find me a train from {c} to Rome"),
    Other(("banking", "bank", "accounts"), ("bank accounts, transfers and cards", "balances, transfers and bills", "banking questions and payments"), ("balance", "transfer", "transactions", "freeze_account", "pay_bill", "bill_balance", "spending_history"), answers=True),
    Other(("news", "headlines"), ("latest news", "news and headlines by topic"), ("news_query",), answers=True),
    Other(("recipes", "chef", "cooking"), ("recipes and cooking questions", "how to cook dishes"), ("cooking_recipe", "recipe", "ingredients_list", "cook_time", "meal_suggestion"), answers=True),
    Other(("food", "delivery"), ("orders food and takeaway", "food delivery"), ("takeaway_order", "takeaway_query")),
    Other(("navigation", "maps", "routes"), ("directions, distances and traffic", "routes and traffic"), ("transport_traffic", "directions", "traffic", "distance"), answers=True),
    Other(("calculator", "maths"), ("arithmetic and unit conversion", "calculations"), ("qa_maths", "calculator", "measurement_conversion"), "what is {n} times {m}|convert {n} miles to kilometers|what is {n} percent of {m}", answers=True),
    Other(("stocks", "markets"), ("stock prices and exchange rates", "share prices and currencies"), ("qa_stock", "qa_currency", "exchange_rate"), answers=True),
    Other(("social", "posts"), ("posts on social media", "social networks: posts and messages"), ("social_post",)),
    Other(("phone", "calls"), ("phone calls and text messages", "calls people and sends texts"), ("make_call", "text"), "call {p}|text {p} that I'm late|send an SMS to {p}"),
    Other(("knowledge", "facts", "encyclopedia"), ("general knowledge questions", "facts about people, places and history"), ("qa_factoid", "qa_definition", "definition"), answers=True),
    Other(("code", "coder"), ("writes and explains program code", "programming help"), (), "write a python function that reverses a string|fix the failing test in my script|explain this regular expression|write a bash script that renames files|write a unit test for the parser|refactor my JavaScript code|write a SQL migration", answers=True),
    Other(("writer", "copywriter"), ("writes and rewrites longer texts", "essays, poems and summaries"), (), "write a poem about {c}|summarize this article|write a short story about a dragon|rewrite my cover letter|write a slogan for a bakery", answers=True),
    Other(("images", "painter"), ("draws and edits pictures", "image generation"), (), "draw a cat in a hat|make a logo for my shop|generate a picture of {c} at night|remove the background from my photo"),
    Other(("hr", "payroll"), ("vacation days, pay and benefits", "HR questions"), ("pto_balance", "payday", "pto_used", "income", "w2", "insurance"), answers=True),
    Other(("car", "vehicle"), ("car maintenance and fuel", "questions about your car"), ("gas", "oil_change_how", "tire_pressure", "mpg", "last_maintenance")),
    Other(("movies", "cinema"), ("film recommendations and show times", "movies and cinema"), ("recommendation_movies",), dev=True),
    Other(("places", "local"), ("restaurants, shops and sights nearby", "finds places"), ("recommendation_locations", "restaurant_suggestion", "restaurant_reviews"), dev=True),
    Other(("jokes", "fun"), ("jokes and games", "entertainment"), ("general_joke", "tell_joke", "play_game")),
    Other(("taxi", "rides"), ("orders a taxi or ride", "books rides"), ("transport_taxi", "uber"), dev=True),
    Other(("clock", "worldtime"), ("the current time and time zones", "time and date anywhere"), ("datetime_query", "datetime_convert", "time", "timezone"), answers=True),
    Other(("volume", "sound"), ("speaker volume", "loudness of the device"), ("audio_volume_up", "audio_volume_down", "audio_volume_mute"), dev=True),
)  # fmt: skip
